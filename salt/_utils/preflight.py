"""What of the host itself would keep a run from ending well: disk, memory, ports, clock, archive.

`faults` is asked before every run and reads what the kernel tells, a millisecond or two; what takes longer is asked where
it matters: who has a port once that is not known to be ours, and the archive once packages are missing.
"""

import concurrent.futures
import contextlib
import email.utils
import functools
import os
import pathlib
import pwd
import re
import socket
import struct
import subprocess
import tempfile
import time
from collections.abc import Iterable, Iterator
from typing import Any

Fault = tuple[str, str, tuple[str, ...]]

ROOT = pathlib.Path("/")
PROC = pathlib.Path("/proc")
CGROUP = pathlib.Path("/sys/fs/cgroup")
# What the kernel gives back before a limit is felt.
CACHE = ("inactive_file", "active_file", "slab_reclaimable")
MEBI = 1 << 20
DAY = 86400
# MiB that must be free: while a directory is filled for the first time (measured, and a quarter more), and later. RabbitMQ
# takes no message once less than 50 are.
DISK = {"usr": (500, 20), "var": (450, 100), "opt": (200, 20), "etc": (5, 5), "tmp": (50, 20)}
# Memory, likewise. What a master has running takes 1 GiB.
MEMORY = {"master": (1000, 100), "worker": (400, 100)}
# What apt brings to a master, a program of each package.
PROGRAMS = ("usr/sbin/nginx", "usr/sbin/rabbitmqctl", "usr/bin/supervisord", "usr/lib/postgresql/*/bin/postgres")
# Whose the ports of a service are: users, a pid that has them open, and the program where neither is known.
OWNERS: dict[str, tuple[tuple[str, ...], str, str]] = {
    "rabbitmq": (("rabbitmq",), "", "beam.smp"),
    "RabbitMQ's distribution": (("rabbitmq",), "", "beam.smp"),
    "Erlang's epmd": (("epmd", "rabbitmq"), "proc/1/stat", "epmd"),
    "postgresql": (("postgres",), "", "postgres"),
    "gunicorn": ((), "run/gunicorn/gunicorn.pid", "gunicorn"),
    "nginx": ((), "run/nginx.pid", "nginx"),
    "HTTPS of nginx": ((), "run/nginx.pid", "nginx"),
}
EVERYWHERE = {"0.0.0.0", "::", "*", ""}  # noqa: S104
APT_HELPER = (
    "/usr/lib/apt/apt-helper",
    *("-o", "Acquire::Retries=0"),
    *(
        word
        for kind in ("http", "https")
        for word in ("-o", f"Acquire::{kind}::Timeout=5", "-o", f"Debug::Acquire::{kind}=1")
    ),
    "download-file",
)


def faults(
    pillar: dict[str, Any],
    roles: list[str],
    ports: list[tuple[str, str, int]],
    checkout: list[str],
    thorough: bool = False,
) -> list[Fault]:
    """All of them. `ports` are those that pillar wants; `thorough` asks the archive though nothing is missing."""
    bare = "master" in roles and not all(any(ROOT.glob(program)) for program in PROGRAMS)
    virtualenv = pillar.get("phagescan", {}).get("virtualenv", "/opt")
    fresh = {
        "usr": bare,
        "var": bare,
        "tmp": bare,
        "opt": not ROOT.joinpath(virtualenv.lstrip("/"), "pyvenv.cfg").exists(),
    }
    found = [*_disk(fresh), *_memory(roles, any(fresh.values())), *_clock(checkout)]
    if "master" in roles:
        development = pillar.get("phagescan", {}).get("mode") == "development"
        found += _ports([port for port in ports if not (development and port[0].startswith("gunicorn"))])
    if thorough or bare:
        found += _archive()
    return found


def notes() -> list[str]:
    """What does not keep a run from ending well, and is to be known: archives that are away, and what their clock says."""
    lines = []
    for uri, (problem, date) in sources().items():
        if problem:
            lines.append(f"archive: {uri} does not answer: {problem}")
        elif date is not None and abs(date - time.time()) > DAY:
            lines.append(
                f"clock: it is {_utc(time.time())} here, and {_utc(date)} at {uri}; see that the clock is right"
            )
    return lines


def _disk(fresh: dict[str, bool]) -> Iterator[Fault]:
    """File systems with less room than the directories on them need together."""
    systems: dict[int, tuple[list[str], int, int]] = {}
    for name, (first, later) in DISK.items():
        folder = ROOT / name
        if folder.exists():
            names, needed, _ = systems.get(folder.stat().st_dev, ([], 0, 0))
            there = os.statvfs(folder)
            needed += first if fresh.get(name) else later
            systems[folder.stat().st_dev] = ([*names, f"/{name}"], needed, there.f_bavail * there.f_frsize // MEBI)
    for names, needed, free in systems.values():
        if free < needed:
            yield "disk", f"{needed} MiB are needed for {', '.join(names)}, and {free} MiB are free; make room", ()


def _memory(roles: list[str], fresh: bool) -> Iterator[Fault]:
    """Less memory than there must be, that of a container included."""
    told = dict(re.findall(r"^(\w+):\s+(\d+) kB", (PROC / "meminfo").read_text(), re.MULTILINE))
    free = (int(told["MemAvailable"]) + int(told["SwapFree"])) // 1024
    with contextlib.suppress(OSError, ValueError):  # there is no limit
        limit, used = (int((CGROUP / f"memory.{name}").read_text()) for name in ("max", "current"))
        told = dict(re.findall(r"^(\w+) (\d+)$", (CGROUP / "memory.stat").read_text(), re.MULTILINE))
        free = min(free, (limit - used + sum(int(told[name]) for name in CACHE if name in told)) // MEBI)
    needed = max((MEMORY[role][0 if fresh else 1] for role in roles if role in MEMORY), default=0)
    if free < needed:
        yield "memory", f"{needed} MiB are needed, and {free} MiB are free; add memory or swap", ()


def _clock(checkout: list[str]) -> Iterator[Fault]:
    """A clock that is behind: files of this checkout are from a day that is yet to come."""
    paths = (os.path.join(folder, name) for root in checkout for folder, _, names in os.walk(root) for name in names)
    newest = max(((_modified(path), path) for path in paths), default=(0.0, ""))
    if newest[0] > time.time() + DAY:
        yield (
            "clock",
            f"it is {_utc(time.time())}, and {newest[1]} is of {_utc(newest[0])}; set the clock, or touch the file",
            (),
        )


def _modified(path: str) -> float:
    try:
        return os.lstat(path).st_mtime
    except OSError:  # it is gone meanwhile
        return 0.0


def _utc(seconds: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(seconds))


def _ports(wanted: list[tuple[str, str, int]]) -> Iterator[Fault]:
    """Ports on which something listens that is not the service that wants them."""
    listening = list(_listening())
    for key, address, port in wanted:
        for other, taken, uid, inode in listening:
            if port != taken or not (address == other or {address, other} & EVERYWHERE):
                continue
            users, pidfile, program = OWNERS.get(key, OWNERS.get(key.partition(":")[0], ((), "", "")))
            if uid in _uids(users) or _listens(_pid(pidfile), inode, uid, program):
                continue
            pids = sorted(int(path.name) for path in PROC.glob("[0-9]*"))
            names = {pid: _program(pid) for pid in pids if _listens(pid, inode, uid, program)}
            if program in names.values():
                continue
            who = ", ".join(f"{name} (pid {pid})" for pid, name in names.items()) or f"a process of user {_user(uid)}"
            advice = "stop it, or choose another port" if ":" in key else "stop it"
            yield key, f"port {port} is taken by {who}; {advice}", ()
            break


def _listening() -> Iterator[tuple[str, int, int, str]]:
    """Address, port, user and inode of each socket that listens; none where the kernel does not tell.

    It is asked as ss(8) does, sock_diag(7): to read /proc/net/tcp takes a hundred times as long.
    """
    with contextlib.suppress(OSError):
        for family, size in ((socket.AF_INET, 4), (socket.AF_INET6, 16)):
            for entry in _diagnosis(family):
                (port,), (uid, inode) = struct.unpack_from(">H", entry, 4), struct.unpack_from("=II", entry, 64)
                yield socket.inet_ntop(family, entry[8 : 8 + size]).removeprefix("::ffff:"), port, uid, str(inode)


def _diagnosis(family: int) -> Iterator[bytes]:
    """The kernel's struct inet_diag_msg of each."""
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 4) as kernel:  # NETLINK_SOCK_DIAG
        # 20: SOCK_DIAG_BY_FAMILY; 0x301: NLM_F_REQUEST and NLM_F_DUMP; 10: TCP_LISTEN.
        kernel.send(struct.pack("=IHHII4BI48x", 72, 20, 0x301, 0, 0, family, socket.IPPROTO_TCP, 0, 0, 1 << 10))
        while True:
            data = kernel.recv(1 << 16)
            while data:
                length, kind = struct.unpack_from("=IH", data)
                if kind != 20:  # NLMSG_DONE or NLMSG_ERROR
                    return
                yield data[16:length]
                data = data[(length + 3) & ~3 :]


def _uids(users: Iterable[str]) -> set[int]:
    found = set()
    for user in users:
        with contextlib.suppress(KeyError):
            found.add(pwd.getpwnam(user).pw_uid)
    return found


def _user(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def _pid(path: str) -> int:
    """Process that a pid file names; 0 without one."""
    with contextlib.suppress(OSError, ValueError, IndexError):
        return int((ROOT / path).read_text().split()[0]) if path else 0
    return 0


def _listens(pid: int, inode: str, uid: int, program: str) -> bool:
    """Whether a process has a socket open; of another user's in a container, where root may not look, whether it may be."""
    folder = PROC / str(pid)
    try:
        return any(
            _leads_to(folder / "fd" / name, f"socket:[{inode}]") for name in (os.listdir(folder / "fd") if pid else ())
        )
    except PermissionError:
        return folder.stat().st_uid == uid and _program(pid) == program
    except OSError:  # it has ended
        return False


def _leads_to(link: pathlib.Path, target: str) -> bool:
    try:
        return os.readlink(link) == target
    except FileNotFoundError:  # it was closed meanwhile
        return False


def _program(pid: int) -> str:
    """What a process runs; one in a container is not ours, whatever its name."""
    folder = PROC / str(pid)
    with contextlib.suppress(OSError):
        name = (folder / "comm").read_text().strip()
        with contextlib.suppress(PermissionError):
            if not os.path.samestat(os.stat(folder / "root"), os.stat(PROC / "self" / "root")):
                return f"{name} in a container"
        return name
    return "one that has ended"


def _archive() -> Iterator[Fault]:
    """No source of packages that answers, or a clock that is behind them; one that is ahead may be told by a cache."""
    there = sources()
    dates = [date for problem, date in there.values() if not problem and date is not None]
    if not there:
        yield "archive", "apt has no sources; see /etc/apt/sources.list", ()
    elif all(problem for problem, _ in there.values()):
        uri, (problem, _) = next(iter(there.items()))
        more = f" (nor {len(there) - 1} more)" if len(there) > 1 else ""
        yield "archive", f"{uri} does not answer{more}: {problem}; see the network and apt's sources", ()
    if dates and max(dates) > time.time() + DAY:
        yield "clock", f"it is {_utc(time.time())} here, and {_utc(max(dates))} at the archive; set the clock", ()


@functools.cache
def sources() -> dict[str, tuple[str, float | None]]:
    """Each source of apt's, asked as apt would ask it: what is wrong with it, and what time it says it is."""
    listed = subprocess.run(
        ["apt-get", "update", "--print-uris"], stdin=subprocess.DEVNULL, capture_output=True, text=True
    )
    uris = re.findall(r"^'(\S+/)InRelease'", listed.stdout, re.MULTILINE)
    with concurrent.futures.ThreadPoolExecutor(8) as pool, tempfile.TemporaryDirectory() as folder:
        return dict(zip(uris, pool.map(_ask, uris, (f"{folder}/{number}" for number in range(len(uris)))), strict=True))


def _ask(uri: str, path: str) -> tuple[str, float | None]:
    for name in ("InRelease", "Release"):
        try:
            told = subprocess.run(
                [*APT_HELPER, f"{uri}{name}", path],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=30,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            return (str(error) if isinstance(error, OSError) else "no answer in 30 s"), None
        if told.returncode == 0:
            date = re.findall(r"^Date: (.+?)\r?$", told.stdout + told.stderr, re.MULTILINE)
            return "", email.utils.parsedate_to_datetime(date[-1]).timestamp() if date else None
        reason = re.search(r"^E: Failed to fetch \S+\s+(.+)", told.stderr, re.MULTILINE)
        if "404" not in told.stderr:
            break
    return (reason[1] if reason else "apt-helper failed").strip(), None
