"""What listens on this host already.

The kernel is asked as ss(8) does, sock_diag(7): to read /proc/net/tcp takes a hundred times as long. Whose a socket is
takes longer, and is asked only where it is not known to be ours.
"""

import contextlib
import os
import pathlib
import pwd
import socket
import struct
from collections.abc import Iterable, Iterator

from checks import epmd
from checks.network import listeners
from checks.situation import EVERYWHERE, Fault, Listener, Situation

ROOT = pathlib.Path("/")
PROC = pathlib.Path("/proc")


def ports(situation: Situation) -> Iterator[Fault]:
    """Ports that a master's services want are free, or theirs already."""
    development = situation.get("phagescan:mode") == "development"
    there = list(_listening()) if situation.master else []
    for wanted in listeners(situation) if there else ():
        if development and wanted.service == "gunicorn":
            continue  # the port is for runserver, which one starts by hand
        for address, port, uid, inode in there:
            meet = wanted.address == address or {wanted.address, address} & EVERYWHERE
            if wanted.port != port or not meet or _is_ours(wanted, uid, inode):
                continue
            pids = sorted(int(path.name) for path in PROC.glob("[0-9]*"))
            names = {pid: _program(pid) for pid in pids if _listens(pid, inode, uid, wanted.program)}
            who = ", ".join(f"{name} (pid {pid})" for pid, name in names.items()) or f"a process of user {_user(uid)}"
            advice = "stop it, or choose another port in pillar/local.sls" if wanted.key else "stop it"
            if wanted.program in names.values():
                if wanted.program != "epmd" or not (advice := _epmd(situation, wanted, there)):
                    continue
                who += f" of user {_user(uid)}"
            yield Fault(wanted.name, f"port {port} is taken by {who}; {advice}")
            break


def _epmd(situation: Situation, wanted: Listener, there: Iterable[tuple[str, int, int, str]]) -> str:
    """What to do about an epmd of somebody else's; nothing where it does for us."""
    node, ours = situation.get("rabbitmq:node", "rabbit@localhost"), _uids(("rabbitmq",))
    if situation.broker(node)["name"] != node:
        return ""  # a broker that was here first has found it
    return epmd.objection(node, wanted.address, wanted.port, {port: uid in ours for _, port, uid, _ in there})


def by_user() -> Iterator[tuple[str, int, str]]:
    """Address, port and user of each socket that listens."""
    return ((address, port, _user(uid)) for address, port, uid, _ in _listening())


def _is_ours(wanted: Listener, uid: int, inode: str) -> bool:
    return uid in _uids(wanted.users) or _listens(_pid(wanted.pidfile), inode, uid, wanted.program)


def _listening() -> Iterator[tuple[str, int, int, str]]:
    """Address, port, user and inode of each socket that listens; none where the kernel does not say."""
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
    """Whether a process has a socket open; of another user's in a container, where root may not look, whether it may
    be.
    """
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


CHECKS = (ports,)
