"""What a process that runs an engine gives up, before it sees a sample: there is no way back.

The limits and the filter of system calls always hold; an engine does not run without them. A network of its own and
Landlock depend on the kernel, so each is tried; what cannot be had is reported once. SECURITY.md says what then holds.
"""

import ctypes
import os
import resource
import signal
import stat
import struct
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial

from worker import syscalls

PR_SET_PDEATHSIG, PR_SET_DUMPABLE, PR_SET_CHILD_SUBREAPER, PR_SET_NO_NEW_PRIVS = 1, 4, 36, 38
CLONE_NEWUSER, CLONE_NEWNET = 0x10000000, 0x40000000
CAPABILITY_VERSION_3 = 0x20080522

# Landlock's system calls have these numbers on every architecture.
LANDLOCK_CREATE_RULESET, LANDLOCK_ADD_RULE, LANDLOCK_RESTRICT_SELF = 444, 445, 446
EXECUTE, READ_FILE, READ_DIR = 1, 1 << 2, 1 << 3
# Rights to files that each version of Landlock knows, in bits; the kernel refuses those that it does not know.
FILE_RIGHTS = {1: 13, 2: 14, 3: 15, 4: 15, 5: 16}
TCP_RIGHTS = 0b11
SCOPES = 0b11
"""Abstract sockets and signals of other processes."""

FILES = 64
"""Open files. Engines open the sample, and some of their libraries' data."""

PROCESSES = 1000
"""Of the worker's user, where a fork may start programs: more than the worker itself has."""

LANDLOCK = "no Landlock"

libc = ctypes.CDLL(None, use_errno=True)


def confine(
    memory: int, parent: int, readable: Iterable[str], sockets: bool = False, programs: Iterable[str] = ()
) -> list[str]:
    """Give up everything but reading: `memory` MiB of address space, files below `readable`, with `sockets` Unix
    sockets to connect to, and the programs below `programs`; what forks leave behind becomes a child of this process.
    Return what was not to be had.
    """
    end_with(parent)
    must(libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
    untraceable()
    missing = []
    attempts: dict[str, Callable[[], None]] = {
        "no network namespace": own_network,
        LANDLOCK: lambda: landlock(readable, programs),
    }
    for name, attempt in attempts.items():
        try:
            attempt()
        except OSError as error:
            missing.append(f"{name} ({error.strerror})")
    no_capabilities()
    if programs:
        must(libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0))
    limits = {
        resource.RLIMIT_AS: memory << 20,
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_FSIZE: 0,
        resource.RLIMIT_NOFILE: FILES,
    }
    for limit, value in limits.items():
        resource.setrlimit(limit, (value, value))
    syscalls.limit_process(sockets, bool(programs))
    return missing


class Fence:
    """Takes more from forks of this confined process: they read less, and make no processes where they need no
    programs. What is the same for each of them is prepared once, and what takes no part of a fork is done before it: a
    fork has every page that it touches copied.

    What is below a second layer of Landlock cannot trace the process above it, nor signal it where the kernel knows
    that.
    """

    def __init__(self, readable: Iterable[str] | None, programs: Sequence[str] = ()) -> None:
        """Take what each fork may read, None where there is no Landlock, and where the programs are that it may
        start.
        """
        self.parent = os.getpid()
        self.filter = syscalls.fork_filter(bool(programs))
        self.processes = PROCESSES if programs else 0
        self.landlock = None if readable is None else Landlock(readable, programs)

    @contextmanager
    def around(self, paths: Iterable[str]) -> Iterator[Callable[[], None]]:
        """Have ready for one fork what leaves it with those paths besides: it calls what it gets here."""
        if self.landlock is None:
            yield self.enter
        else:
            with self.landlock.ruleset(paths) as ruleset:
                yield partial(self.enter, ruleset)

    def enter(self, ruleset: int = -1) -> None:
        """Give up what the fork does not need, and the descriptors that this takes."""
        end_with(self.parent)
        resource.setrlimit(resource.RLIMIT_NPROC, (self.processes, self.processes))
        if self.landlock is not None:
            must(libc.syscall(LANDLOCK_RESTRICT_SELF, ruleset, 0))
            os.close(ruleset)
            self.landlock.close()
        self.filter.install()


def end_with(parent: int) -> None:
    """Be killed when the parent ends."""
    must(libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0))
    if os.getppid() != parent:
        raise SystemExit("the parent has ended")


def untraceable() -> None:
    """Let no process of this user look into this one's memory, descriptors and environment, its own forks included."""
    must(libc.prctl(PR_SET_DUMPABLE, 0, 0, 0, 0))


def own_network() -> None:
    """Move into a network that has no other end: not even loopback is up."""
    must(libc.unshare(CLONE_NEWNET if os.geteuid() == 0 else CLONE_NEWUSER | CLONE_NEWNET))


def no_capabilities() -> None:
    """Give up the capabilities that a user namespace came with: in it this process would have all."""
    must(libc.capset(struct.pack("Ii", CAPABILITY_VERSION_3, 0), bytes(24)))


class Landlock:
    """Lets nothing be read but what lies below some paths, nothing be written, no TCP be spoken, no other process be
    signalled.
    """

    def __init__(self, readable: Iterable[str], programs: Iterable[str] = ()) -> None:
        """Hold the paths open, of which those that are not there do not count; what is below `programs` may be
        executed. OSError when there is no Landlock.
        """
        version = landlock_version()
        files = (1 << FILE_RIGHTS.get(version, FILE_RIGHTS[5])) - 1
        # An older kernel takes the longer structure as long as what it does not know is zero.
        self.handled = struct.pack("QQQ", files, TCP_RIGHTS if version >= 4 else 0, SCOPES if version >= 6 else 0)
        places = [(opened(path), 0) for path in outermost(readable)]
        places += [(opened(path), EXECUTE) for path in outermost(programs)]
        self.places = [place for place, _ in places]
        self.rules = [rule(place, more) for place, more in places]

    @contextmanager
    def ruleset(self, paths: Iterable[str] = ()) -> Iterator[int]:
        """Have a set of rules, with some paths more."""
        ruleset = must(libc.syscall(LANDLOCK_CREATE_RULESET, self.handled, ctypes.c_size_t(len(self.handled)), 0))
        try:
            for known in self.rules:
                must(libc.syscall(LANDLOCK_ADD_RULE, ruleset, 1, known, 0))
            for path in paths:
                place = opened(path)
                try:
                    must(libc.syscall(LANDLOCK_ADD_RULE, ruleset, 1, rule(place), 0))
                finally:
                    os.close(place)
            yield ruleset
        finally:
            os.close(ruleset)

    def close(self) -> None:
        """Hold nothing open any more."""
        for place in self.places:
            os.close(place)


def outermost(paths: Iterable[str]) -> list[str]:
    """Return the paths that there are, without links, and without what lies below another."""
    real = {os.path.realpath(path) for path in paths if os.path.exists(path)}
    return sorted(path for path in real if not any(path.startswith(f"{other}/") for other in real))


def opened(path: str) -> int:
    """Open a path for nothing but to say which it is."""
    return os.open(path, os.O_PATH | os.O_CLOEXEC)


def rule(place: int, more: int = 0) -> bytes:
    """Write the right to read what lies below an open path, and `more`, as Landlock takes it."""
    read = READ_FILE | READ_DIR if stat.S_ISDIR(os.fstat(place).st_mode) else READ_FILE
    return struct.pack("=Qi", read | more, place)


def landlock(readable: Iterable[str], programs: Iterable[str]) -> None:
    """Leave this process with what may be read, and the programs that may be started."""
    rules = Landlock(readable, programs)
    try:
        with rules.ruleset() as ruleset:
            must(libc.syscall(LANDLOCK_RESTRICT_SELF, ruleset, 0))
    finally:
        rules.close()


def landlock_version() -> int:
    """Ask the kernel which version of Landlock it has; OSError when none."""
    return must(libc.syscall(LANDLOCK_CREATE_RULESET, None, ctypes.c_size_t(0), 1))


def must(result: int) -> int:
    """Raise what a system call failed with; return its result when it did not."""
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result
