"""What of the host itself keeps a run from ending well: disk, memory, clock.

Asked before every run, so it reads what the kernel says, in a millisecond or two.
"""

import contextlib
import os
import pathlib
import re
import time
from collections.abc import Iterable, Iterator

from checks.situation import Fault, Situation

ROOT = pathlib.Path("/")
PROC = pathlib.Path("/proc")
CGROUP = pathlib.Path("/sys/fs/cgroup")
# What the kernel gives back before a limit is felt.
CACHE = ("inactive_file", "active_file", "slab_reclaimable")
MEBI = 1 << 20
DAY = 86400
APART = 60  # seconds by which the clocks of two hosts may differ
# MiB that must be free: while a directory is filled for the first time (measured, and a quarter more), and later.
# RabbitMQ takes no message once less than 50 are.
DISK = {"usr": (500, 20), "var": (450, 100), "opt": (200, 20), "etc": (5, 5), "tmp": (50, 20)}
# Memory, likewise. What a master has running takes 1 GiB.
MEMORY = {"master": (1000, 100), "worker": (400, 100)}
# What apt brings to a master, a program of each package.
PROGRAMS = ("usr/sbin/nginx", "usr/sbin/rabbitmqctl", "usr/bin/supervisord", "usr/lib/postgresql/*/bin/postgres")


def bare(situation: Situation) -> bool:
    """Whether packages of a master are missing."""
    return situation.master and not all(any(ROOT.glob(program)) for program in PROGRAMS)


def disk(situation: Situation) -> Iterator[Fault]:
    """File systems have the room that the directories on them need together."""
    fresh = _fresh(situation)
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
            reason = f"{needed} MiB are needed for {', '.join(names)}, and {free} MiB are free; make room"
            yield Fault("disk", reason)


def memory(situation: Situation) -> Iterator[Fault]:
    """There is memory enough, that of a container included."""
    said = dict(re.findall(r"^(\w+):\s+(\d+) kB", (PROC / "meminfo").read_text(), re.MULTILINE))
    free = (int(said["MemAvailable"]) + int(said["SwapFree"])) // 1024
    with contextlib.suppress(OSError, ValueError):  # there is no limit
        limit, used = (int((CGROUP / f"memory.{name}").read_text()) for name in ("max", "current"))
        said = dict(re.findall(r"^(\w+) (\d+)$", (CGROUP / "memory.stat").read_text(), re.MULTILINE))
        free = min(free, (limit - used + sum(int(said[name]) for name in CACHE if name in said)) // MEBI)
    column = 0 if any(_fresh(situation).values()) else 1
    needed = max((MEMORY[role][column] for role in situation.roles if role in MEMORY), default=0)
    if free < needed:
        yield Fault("memory", f"{needed} MiB are needed, and {free} MiB are free; add memory or swap")


def clock(situation: Situation) -> Iterator[Fault]:
    """The clock is not behind: no file of this checkout is from a day that is yet to come."""
    walks = (os.walk(root) for root in situation.checkout)
    paths = (os.path.join(folder, name) for walk in walks for folder, _, names in walk for name in names)
    newest = max(((_modified(path), path) for path in paths), default=(0.0, ""))
    if newest[0] > time.time() + DAY:
        said = f"it is {utc(time.time())}, and {newest[1]} is of {utc(newest[0])}; set the clock, or touch the file"
        yield Fault("clock", said)


def notes(clocks: Iterable[tuple[str, float]]) -> Iterator[str]:
    """Workers whose clocks differ from this host's by more than clocks of two hosts may."""
    for node, offset in clocks:
        if abs(offset) > APART:
            said = f"{abs(offset):.0f} s {'ahead of' if offset > 0 else 'behind'} this host's"
            yield f"clock: that of {node} is {said}; its scans are done; see on both hosts that timedatectl is right"


def utc(seconds: float) -> str:
    """A time as people read it, to the minute."""
    return time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(seconds))


def _fresh(situation: Situation) -> dict[str, bool]:
    """Directories that are yet to be filled for the first time."""
    missing = bare(situation)
    virtualenv = ROOT / situation.get("phagescan:virtualenv", "/opt").lstrip("/")
    return {"usr": missing, "var": missing, "tmp": missing, "opt": not (virtualenv / "pyvenv.cfg").exists()}


def _modified(path: str) -> float:
    try:
        return os.lstat(path).st_mtime
    except OSError:  # it is gone meanwhile
        return 0.0


CHECKS = (disk, memory, clock)
