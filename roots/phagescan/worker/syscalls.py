"""The system calls that the process of an engine may make; the kernel (seccomp) refuses all others with EPERM.

libseccomp, which apt and systemd need as well, knows their numbers on this architecture, and refuses those of another.
It makes a program of them for the kernel's packet filter. Making one takes longer than many a scan, so that of the
forks is made once. A process cannot take a filter off, only add one that refuses more.
"""

import ctypes
import errno
import fcntl
import os
import socket
import struct
import termios
from collections.abc import Iterable

LIBRARY = "libseccomp.so.2"
ALLOW, REFUSE, UNKNOWN = 0x7FFF0000, 0x00050000 | errno.EPERM, 0x00050000 | errno.ENOSYS
ACTION_OF_OTHER_ARCHITECTURES = 2
EQUAL, MASKED_EQUAL = 4, 7
"""Constants of seccomp.h."""

PR_SET_SECCOMP, SECCOMP_MODE_FILTER = 22, 2
INSTRUCTION = struct.Struct("=HBBI")
"""struct sock_filter. Its last field is what an instruction compares with, among others."""

JUMP_IF_EQUAL = 0x15
"""BPF_JMP | BPF_JEQ | BPF_K: the instruction that compares a value for being equal."""

LONGEST = 4096
"""Instructions that the kernel takes at most."""

SOMEONE = 0x2B992DDB
"""In place of a process number that is not yet known: no process has it (they are below 1 << 22), and it is no flag."""

# Reads, memory, time, and what a process does with itself. `write` and `sendto` reach what was opened before.
READING = """
    access arch_prctl brk clock_getres clock_gettime clock_nanosleep close dup dup2 dup3 exit exit_group faccessat
    faccessat2 fstat fstatfs futex getcwd getdents64 getegid geteuid getgid getpid getppid getrandom getrlimit getrusage
    gettid gettimeofday getuid lseek lstat madvise mmap mprotect mremap munmap nanosleep newfstatat poll ppoll pread64
    preadv pselect6 read readlink readlinkat readv recvfrom restart_syscall rseq rt_sigaction rt_sigprocmask
    rt_sigreturn sched_yield select set_robust_list set_tid_address shutdown sigaltstack stat statfs statx sysinfo time
    times uname write writev
"""
# What it takes besides to make forks, to take more away from them, and to end them.
FORKING = """
    fork kill landlock_add_rule landlock_create_ruleset landlock_restrict_self pipe pipe2 prctl seccomp setrlimit tgkill
    vfork wait4 waitid
"""
# What it takes to start programs and to wait for them, and what they take. The flags of clone3 cannot be looked at: it
# is said not to be there, and clone is called in its place.
PROGRAMS = """
    clone3 close_range execve fork getpgrp pipe pipe2 prctl sched_getaffinity sched_setaffinity umask vfork wait4 waitid
"""

WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC
NAMESPACES = 0x7E020000
"""Flags of clone(2), CLONE_NEW*."""


class Compare(ctypes.Structure):
    """libseccomp's struct scmp_arg_cmp: what an argument of a call has to be."""

    _fields_ = (("arg", ctypes.c_uint), ("op", ctypes.c_int), ("a", ctypes.c_uint64), ("b", ctypes.c_uint64))


Rule = tuple[str, tuple[Compare, ...]]
"""A call that is allowed when its arguments are so."""


class Program(ctypes.Structure):
    """The kernel's struct sock_fprog: a filter, ready to be installed."""

    _fields_ = (("length", ctypes.c_ushort), ("instructions", ctypes.c_void_p))


libc = ctypes.CDLL(None, use_errno=True)


def limit_process(sockets: bool, programs: bool = False) -> None:
    """Leave a process what it takes to load an engine and to fork; with `sockets` also to connect to Unix sockets, with
    `programs` to start them.
    """
    rules = [*free(READING), *free(FORKING), *read_only(), CLONE, ("prlimit64", ())]
    if sockets:
        rules += [("socket", (equal(0, socket.AF_UNIX),)), *free("connect setsockopt")]
    if programs:
        rules += free(PROGRAMS)
    Filter(rules).install()


def fork_filter(programs: bool = False) -> "Filter":
    """Leave a fork what it takes to scan: no new file or socket, no signal to another process, and a new process only
    with `programs`.
    """
    own = equal(0, SOMEONE)
    rules = [*free(READING), *read_only(), ("tgkill", (own,)), ("kill", (own,)), ("prlimit64", (zero(2),))]
    return Filter([*rules, *free(PROGRAMS), CLONE] if programs else rules)


def free(names: str) -> Iterable[Rule]:
    """Allow calls whatever their arguments."""
    return ((name, ()) for name in names.split())


def read_only() -> Iterable[Rule]:
    """Allow calls that could do more than read, were it not for their arguments."""
    yield "open", (unset(1, WRITING),)
    yield "openat", (unset(2, WRITING),)
    yield "sendto", (zero(4),)
    for command in (termios.TCGETS, termios.FIOCLEX, termios.FIONCLEX):
        yield "ioctl", (equal(1, command),)
    for command in (fcntl.F_DUPFD, fcntl.F_DUPFD_CLOEXEC, fcntl.F_GETFD, fcntl.F_SETFD, fcntl.F_GETFL):
        yield "fcntl", (equal(1, command),)


def equal(arg: int, value: int) -> Compare:
    """Compare an int: the lower half of what the register holds."""
    return Compare(arg, MASKED_EQUAL, 0xFFFFFFFF, value)


def unset(arg: int, flags: int) -> Compare:
    """Compare an argument with flags of which none may be set."""
    return Compare(arg, MASKED_EQUAL, flags, 0)


def zero(arg: int) -> Compare:
    """Compare an argument, a pointer, with NULL."""
    return Compare(arg, EQUAL, 0, 0)


CLONE = ("clone", (unset(0, NAMESPACES),))
"""A fork or a thread, in no namespace of its own."""


class Filter:
    """Has the kernel refuse a process every call that no rule allows."""

    def __init__(self, rules: Iterable[Rule]) -> None:
        """Make the program. OSError when it cannot be had."""
        made = compiled(rules)
        self.code = ctypes.create_string_buffer(made, len(made))
        self.program = Program(len(made) // INSTRUCTION.size, ctypes.addressof(self.code))
        last = INSTRUCTION.size - 4
        self.own = [
            number * INSTRUCTION.size + last
            for number, (code, _, _, value) in enumerate(INSTRUCTION.iter_unpack(made))
            if (code, value) == (JUMP_IF_EQUAL, SOMEONE)
        ]

    def install(self) -> None:
        """Have it from now on, with this process in the place of SOMEONE. OSError when it cannot be had."""
        own = os.getpid()
        for place in self.own:
            struct.pack_into("=I", self.code, place, own)
        if libc.prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.byref(self.program), 0, 0) < 0:
            raise OSError(ctypes.get_errno(), f"seccomp: {os.strerror(ctypes.get_errno())}")


def compiled(rules: Iterable[Rule]) -> bytes:
    """Return the program that allows what rules allow, but for clone3."""
    library = ctypes.CDLL(LIBRARY)
    library.seccomp_init.restype = ctypes.c_void_p
    context = ctypes.c_void_p(library.seccomp_init(ctypes.c_uint32(REFUSE)))
    library.seccomp_attr_set(context, ACTION_OF_OTHER_ARCHITECTURES, ctypes.c_uint32(REFUSE))
    for name, compares in rules:
        number = library.seccomp_syscall_resolve_name(name.encode())
        # Not every architecture has them all.
        if number >= 0:
            given = (Compare * len(compares))(*compares)
            action = ctypes.c_uint32(UNKNOWN if name == "clone3" else ALLOW)
            done(library.seccomp_rule_add_array(context, action, number, len(compares), given), name)
    # The longest program fits into a pipe, which is what a process without a place for files can have it written to.
    ours, its = os.pipe()
    try:
        done(library.seccomp_export_bpf(context, its), "seccomp_export_bpf")
        return os.read(ours, LONGEST * INSTRUCTION.size)
    finally:
        os.close(ours)
        os.close(its)
        library.seccomp_release(context)


def done(result: int, what: str) -> None:
    """Raise the error that libseccomp returned."""
    if result < 0:
        raise OSError(-result, f"{what}: {os.strerror(-result)}")
