"""Which RabbitMQ node is here, where its database is, and whose its listeners are.

The process that runs is asked first, by the files that it has open: a host that was renamed, or data that were moved,
make what lies in directories a guess. Where none runs its configuration decides.
"""

import contextlib
import itertools
import os
import pathlib
import pwd
import re
import socket

import programs

PROC = pathlib.Path("/proc")
USER, PROGRAM = "rabbitmq", "beam.smp"
DATABASES = pathlib.Path("/var/lib/rabbitmq/mnesia")
SETTINGS = pathlib.Path("/etc/rabbitmq")
ENVIRONMENT = SETTINGS / "rabbitmq-env.conf"
# What starts the broker, and may say where: it counts before the broker's own file.
DEFAULTS = pathlib.Path("/etc/default/rabbitmq-server")
UNITS = pathlib.Path("/etc/systemd/system")
# What the formula writes for a broker that it has made.
OURS = ("50-salt.conf", "60-tls.conf")
LISTENER = re.compile(r"^\s*listeners\.(?:tcp|ssl)\b", re.MULTILINE)
LISTENERS = re.compile(r"^[^%\n]*\b(?:tcp|ssl)_listeners\b", re.MULTILINE)  # of advanced.config and rabbitmq.config
ERLANG = re.compile(r"^SERVER_ADDITIONAL_ERL_ARGS=.*inet_dist_use_interface", re.MULTILINE)
# Of a file in <base>/<node>, or in <data>/coordination/<node>.
PLACE = re.compile(r"(/.*)/([^/@]+@[^/@]+(?<!-expand))/")
WITHIN = ("coordination", "quorum")

_known: dict[int, tuple[str, pathlib.Path]] = {}  # by process, which keeps its name as long as it lives


def running() -> tuple[str, pathlib.Path] | None:
    """Name and data directory of the node that runs."""
    try:
        uid = pwd.getpwnam(USER).pw_uid
    except KeyError:
        return None
    for pid in itertools.chain([*_known], (int(folder.name) for folder in PROC.glob("[0-9]*"))):
        if not _is_broker(pid, uid):
            continue
        if pid not in _known and (match := next(filter(None, map(PLACE.match, _open_files(pid))), None)):
            folder, node = pathlib.Path(match[1]), match[2]
            _known[pid] = (node, folder.parent if folder.name in WITHIN else folder / node)
        if pid in _known:
            return _known[pid]
    return None


def choices() -> dict[str, pathlib.Path]:
    """Nodes whose databases are here, with their data directories: the one that runs, or is configured, else all."""
    if now := running():
        return dict([now])
    host = socket.gethostname().partition(".")[0]
    base = pathlib.Path(setting("MNESIA_BASE") or DATABASES)
    found = {path.name: path for path in base.glob("*@*") if path.is_dir() and not path.name.endswith("-expand")}
    if name := setting("NODENAME"):
        name = name if "@" in name else f"{name}@{host}"
        found = {name: found[name]} if name in found else {}
    if (folder := setting("MNESIA_DIR")) and os.path.isdir(folder):
        return {name or f"rabbit@{host}": pathlib.Path(folder)}
    if len(found) > 1 and f"rabbit@{host}" in found:  # RabbitMQ's own default
        return {f"rabbit@{host}": found[f"rabbit@{host}"]}
    return found


def name(default: str) -> str:
    """Name of the Erlang node: of the one that is here, or is configured; else `default`."""
    found = choices()
    if len(found) == 1:
        return next(iter(found))
    named = setting("NODENAME")
    return named if "@" in named else default


def base() -> pathlib.Path:
    """The directory in which there are databases, and beside them the feature flags of each."""
    found = choices()
    return next(iter(found.values())).parent if found else pathlib.Path(setting("MNESIA_BASE") or DATABASES)


def ours(wanted: str) -> bool:
    """Whether the listeners are this formula's: it has made broker `wanted`, or will, and no one else sets any."""
    node = name(wanted)
    return node == wanted and not _configured() and (node not in choices() or _made())


def setting(key: str) -> str:
    """A variable of the environment that the broker starts with; empty where it has none, or one to be computed."""
    units = (UNITS / "rabbitmq-server.service", *sorted(UNITS.glob("rabbitmq-server.service.d/*.conf")))
    for paths, prefix in (((DEFAULTS, *units), "RABBITMQ_"), ((ENVIRONMENT,), "(?:RABBITMQ_)?")):
        lines = re.sub(r"(?m)^\s*[#;].*", "", "\n".join(map(_text, paths)))
        if values := re.findall(rf"""(?<!\w){prefix}{key}=["']?([^\s"';]+)""", lines):
            return "" if re.search("[$`]", values[-1]) else values[-1]
    return ""


def _made() -> bool:
    """Whether this formula has made the broker: files say so that it writes for no other."""
    return bool(LISTENER.search(_text(SETTINGS / "conf.d" / OURS[0])) or ERLANG.search(_text(ENVIRONMENT)))


def _configured() -> bool:
    """Whether somebody else configures listeners."""
    paths = [SETTINGS / "rabbitmq.conf", *(SETTINGS / "conf.d").glob("*.conf")]
    return (
        any(LISTENER.search(_text(path)) for path in paths if path.name not in OURS)
        or any(LISTENERS.search(_text(SETTINGS / file)) for file in ("advanced.config", "rabbitmq.config"))
        or bool(setting("NODE_PORT") or setting("NODE_IP_ADDRESS"))
    )


def _is_broker(pid: int, uid: int) -> bool:
    """Whether a process is the user's Erlang on this host; one in a container is not the host's."""
    folder = PROC / str(pid)
    with contextlib.suppress(OSError):  # it has ended
        if folder.stat().st_uid == uid and (folder / "comm").read_bytes().strip() == PROGRAM.encode():
            with contextlib.suppress(PermissionError):
                return os.path.samestat(os.stat(folder / "root"), os.stat("/"))
            return True
    return False


def _open_files(pid: int) -> list[str]:
    """Files that a process has open; where root may not look its own user is asked."""
    folder = PROC / str(pid) / "fd"
    try:
        return [os.readlink(path) for path in folder.iterdir()]
    except PermissionError:
        with contextlib.suppress(OSError):
            command = ["/usr/bin/find", str(folder), "-printf", "%l\n"]
            return programs.run(command, user=USER, group=USER, extra_groups=[], cwd="/").stdout.splitlines()
    except OSError:  # it has ended, or closes one
        pass
    return []


def _text(path: pathlib.Path) -> str:
    try:
        return path.read_text(errors="replace")
    except OSError:
        return ""
