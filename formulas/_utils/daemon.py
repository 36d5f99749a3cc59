"""System services by what they do: running, started on boot, and since when. systemd or LSB init scripts."""

import contextlib
import glob
import os
import pathlib
import signal
import time
from typing import Any

import programs
from programs import call
from salt.exceptions import CommandExecutionError

STAMPS = pathlib.Path("/run/salt-daemon")
PROPERTIES = (
    "Id",
    "Type",
    "LoadState",
    "ActiveState",
    "UnitFileState",
    "NeedDaemonReload",
    "InactiveExitTimestampMonotonic",
    "NRestarts",
    "MainPID",
    "ReadWritePaths",
    "WorkingDirectory",
    "BindPaths",
    "PrivateTmp",
)


def ask(names: list[str]) -> programs.Running | None:
    """Ask systemd about services; `status` takes the answer. None without systemd."""
    if not _booted():
        return None
    units = [name if "." in name else f"{name}.service" for name in names]
    command = ["systemctl", "show", "--property", ",".join(PROPERTIES), *units]
    return programs.start(command, stdout=programs.PIPE, stderr=programs.STDOUT)


def status(services: dict[str, str | None], asked: Any = None) -> dict[str, dict[str, Any]]:
    """For each service: `exists`, `running`, `enabled`, `since` (seconds since 1970 it has known its files), and more.

    `services` has the pid file of each, `asked` is what `ask` has begun for them. With systemd one systemctl for all.
    Without, a service with a pid file costs no process at all.
    """
    asked = asked or ask(list(services))
    found = (
        _systemd(list(services), asked) if asked else {name: _lsb(name, pidfile) for name, pidfile in services.items()}
    )
    for name, entry in found.items():
        try:
            stamp = (STAMPS / name).stat().st_mtime
        except OSError:
            continue
        if stamp <= time.time():  # or else the clock was ahead then, and says nothing
            entry["since"] = max(entry["since"], stamp)
    return found


def act(verb: str, services: dict[str, str | None]) -> None:
    """`start`, `stop`, `restart`, `reload`, `enable`, `disable` or `unmask` services (with their pid files).

    systemd does all at once. Raises CommandExecutionError with the reason.
    """
    errors = {}
    if _booted():
        call("systemctl", verb, *services)
        if verb == "unmask":
            call("systemctl", verb, "--runtime", *services)
    else:
        for name, pidfile in services.items():
            try:
                _act_lsb(verb, name, pidfile)
            except CommandExecutionError as error:  # the others go on
                errors[name] = str(error)
    if verb in ("start", "restart", "reload"):
        STAMPS.mkdir(mode=0o755, exist_ok=True)
        for name in services.keys() - errors.keys():
            (STAMPS / name).touch()
    if errors:
        raise CommandExecutionError("; ".join(errors.values()))


def daemon_reload() -> None:
    """Make systemd read changed unit files; nothing without systemd."""
    if _booted():
        call("systemctl", "daemon-reload")


def check(command: str) -> None:
    """Run a service's own check of its configuration; raises CommandExecutionError with what it found."""
    call(*command.split())


def process_started(pid: int) -> float:
    """When process `pid` was started, in seconds since 1970 (proc(5): field 22, in clock ticks since boot)."""
    with open(f"/proc/{pid}/stat") as stat:
        ticks = int(stat.read().rpartition(")")[2].split()[19])
    return time.time() - time.clock_gettime(time.CLOCK_BOOTTIME) + ticks / os.sysconf("SC_CLK_TCK")


def _booted() -> bool:
    return os.path.isdir("/run/systemd/system")


def _systemd(names: list[str], asked: programs.Running) -> dict[str, dict[str, Any]]:
    text = asked.communicate()[0].decode(errors="replace").strip()
    if asked.returncode:
        raise CommandExecutionError(f"systemctl show failed ({asked.returncode}): {text[:500]}")
    blocks = text.split("\n\n")
    offset = time.time() - time.monotonic()
    found = {}
    for name, block in zip(names, blocks, strict=True):
        values = dict(line.split("=", 1) for line in block.splitlines())
        found[name] = {
            "exists": values["LoadState"] in ("loaded", "masked"),
            "running": values["ActiveState"] in ("active", "reloading"),
            "starting": values["ActiveState"] == "activating",
            "enabled": values["UnitFileState"] in ("enabled", "enabled-runtime", "alias", "static", "indirect"),
            "masked": values["LoadState"] == "masked",
            "changed": values["NeedDaemonReload"] == "yes" or values["LoadState"] not in ("loaded", "masked"),
            "failures": int(values.get("NRestarts") or 0),
            "notifies": values.get("Type") in ("notify", "notify-reload"),
            "since": offset + int(values["InactiveExitTimestampMonotonic"] or 0) / 1e6,
            "unwritable": _unwritable_path(values.get("MainPID"), values.get("ReadWritePaths", "").split()),
            "elsewhere": _other_path(values.get("MainPID"), values),
        }
    return found


def _unwritable_path(pid: str | None, paths: list[str]) -> str:
    """The first of the paths that a unit lets its service write, and that it cannot: made again, it is another
    directory.
    """
    for given in paths:
        path = given.lstrip("-+")
        try:
            places = (f"/proc/{pid}/root{path}", path)
            inside, outside = (bool(os.statvfs(place).f_flag & os.ST_RDONLY) for place in places)
            if inside and not outside:  # one that is mounted so for all a restart does not help
                return path
        except FileNotFoundError:
            if not given.startswith("-") and os.path.isdir(f"/proc/{pid}"):
                return path
        except OSError:  # not ours to see, in a container of few rights
            continue
    return ""


def _other_path(pid: str | None, unit: dict[str, str]) -> str:
    """The first of the directories that a unit lets its service write, and works in, that is another one for its
    process than for this host: what is mounted there since it was started, or no longer, it does not see.
    """
    own = () if unit.get("PrivateTmp", "no") == "no" else ("/tmp/", "/var/tmp/")  # noqa: S108
    for given in f"{unit.get('ReadWritePaths', '')} {unit.get('WorkingDirectory', '')}".split():
        path = os.path.realpath(given.lstrip("-+!"))
        if f":{path}" in unit.get("BindPaths", "") or f"{path}/".startswith(own):  # as the unit has it
            continue
        with contextlib.suppress(OSError):  # not there for one of them, or not ours to see
            its, ours = os.stat(f"/proc/{pid}/root{path}"), os.stat(path)
            if (its.st_dev, its.st_ino) != (ours.st_dev, ours.st_ino):
                return path
    return ""


def _act_lsb(verb: str, name: str, pidfile: str | None) -> None:
    if verb in ("enable", "disable"):
        call("update-rc.d", name, "defaults" if verb == "enable" else "defaults-disabled")
        call("update-rc.d", name, verb)
    elif verb in ("stop", "restart"):
        pid = _pid(pidfile)
        call("service", name, "stop")
        # A script may take a process in trouble for a stopped one; so does RabbitMQ's after stop_app.
        if pid and not _ends(pid, seconds=1):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)
            if not _ends(pid, seconds=60):
                raise CommandExecutionError(f"{name}: process {pid} does not end")
        if verb == "restart":
            call("service", name, "start")
    else:
        call("service", name, verb)


def _pid(pidfile: str | None) -> int | None:
    """Process that a pid file names, if it is there, and not a later one that was given the same number."""
    try:
        path = pathlib.Path(pidfile or "")
        pid = int(path.read_text().split()[0])
        started = process_started(pid)
        return pid if _lives(pid) and started < path.stat().st_mtime + 1 else None
    except (OSError, ValueError, IndexError):
        return None


def _lives(pid: int) -> bool:
    """Whether a process is there, and not only waiting for its parent to notice its end (proc(5): state Z)."""
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def _ends(pid: int, seconds: float) -> bool:
    """Wait until a process has ended; whether it has."""
    last = time.monotonic() + seconds
    while _lives(pid):
        if time.monotonic() > last:
            return False
        time.sleep(0.1)
    return True


def _lsb(name: str, pidfile: str | None) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "exists": os.path.exists(f"/etc/init.d/{name}"),
        "running": False,
        "starting": False,
        "enabled": bool(glob.glob(f"/etc/rc2.d/S[0-9][0-9]{name}")),
        "masked": False,
        "changed": False,
        "failures": 0,
        "notifies": False,
        "since": 0.0,
    }
    if pidfile:
        if pid := _pid(pidfile):
            entry["since"] = process_started(pid)
            entry["running"] = True
    elif entry["exists"]:
        entry["running"] = programs.run(["service", name, "status"]).returncode == 0
    return entry
