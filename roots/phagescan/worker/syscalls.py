"""The system calls that the process of an engine may make; the kernel (seccomp) refuses all others with EPERM.

libseccomp, which apt and systemd need as well, knows their numbers on this architecture, and refuses those of another.
A process cannot take a filter off, only add one that refuses more.
"""

import ctypes
import errno
import fcntl
import os
import socket
import termios
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

LIBRARY = "libseccomp.so.2"
ALLOW, REFUSE = 0x7FFF0000, 0x00050000 | errno.EPERM
ACTION_OF_OTHER_ARCHITECTURES = 2
EQUAL, MASKED_EQUAL = 4, 7
"""Constants of seccomp.h."""

PR_SET_SECCOMP, SECCOMP_MODE_FILTER = 22, 2

NOBODY = 0x7FFFFFFE
"""Stands for a fork's own number, which is not known before it: no process has a number as high."""

libc = ctypes.CDLL(None, use_errno=True)

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
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC
NAMESPACES = 0x7E020000
"""Flags of clone(2), CLONE_NEW*."""


class Compare(ctypes.Structure):
    """libseccomp's struct scmp_arg_cmp: what an argument of a call has to be."""

    _fields_ = (("arg", ctypes.c_uint), ("op", ctypes.c_int), ("a", ctypes.c_uint64), ("b", ctypes.c_uint64))


class Instruction(ctypes.Structure):
    """The kernel's struct sock_filter: an instruction, and the value that it compares with."""

    _fields_ = (("code", ctypes.c_uint16), ("jt", ctypes.c_uint8), ("jf", ctypes.c_uint8), ("k", ctypes.c_uint32))


class Program(ctypes.Structure):
    """The kernel's struct sock_fprog: so many instructions, and where they are."""

    _fields_ = (("length", ctypes.c_ushort), ("instructions", ctypes.c_void_p))


Rule = tuple[str, tuple[Compare, ...]]
"""A call that is allowed when its arguments are so."""


def limit_process(sockets: bool) -> None:
    """Leave a process what it takes to load an engine and to fork; with `sockets`, also to connect to Unix sockets."""
    rules = [*free(READING), *free(FORKING), *read_only(), ("clone", (unset(0, NAMESPACES),)), ("prlimit64", ())]
    if sockets:
        rules += [("socket", (equal(0, socket.AF_UNIX),)), *free("connect setsockopt")]
    load(rules)


def fork_filter() -> bytes:
    """Compile, once for all forks of a process, what limit_fork loads."""
    own = equal(0, NOBODY)
    rules = [*free(READING), *read_only(), ("tgkill", (own,)), ("kill", (own,)), ("prlimit64", (zero(2),))]
    ours, its = os.pipe()
    try:
        # Shorter than what a pipe holds.
        with filter_of(rules) as context:
            done(ctypes.CDLL(LIBRARY).seccomp_export_bpf(context, its), "seccomp_export_bpf")
        return os.read(ours, 1 << 16)
    finally:
        os.close(ours)
        os.close(its)


def limit_fork(program: bytes) -> None:
    """Leave a fork what it takes to scan: no new file, socket or process, and no signal to another."""
    own = os.getpid()
    instructions = (Instruction * (len(program) // ctypes.sizeof(Instruction))).from_buffer_copy(program)
    for instruction in instructions:
        if instruction.k == NOBODY:
            instruction.k = own
    loaded = Program(len(instructions), ctypes.addressof(instructions))
    if libc.prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.byref(loaded), 0, 0):
        done(-ctypes.get_errno(), "prctl")


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


def load(rules: Iterable[Rule]) -> None:
    """Have the kernel refuse this process every call that no rule allows. OSError when it cannot be had."""
    with filter_of(rules) as context:
        done(ctypes.CDLL(LIBRARY).seccomp_load(context), "seccomp_load")


@contextmanager
def filter_of(rules: Iterable[Rule]) -> Iterator[ctypes.c_void_p]:
    """Have libseccomp's filter that refuses every call that no rule allows."""
    library = ctypes.CDLL(LIBRARY)
    library.seccomp_init.restype = ctypes.c_void_p
    context = ctypes.c_void_p(library.seccomp_init(ctypes.c_uint32(REFUSE)))
    library.seccomp_attr_set(context, ACTION_OF_OTHER_ARCHITECTURES, ctypes.c_uint32(REFUSE))
    for name, compares in rules:
        number = library.seccomp_syscall_resolve_name(name.encode())
        # Not every architecture has them all.
        if number >= 0:
            given = (Compare * len(compares))(*compares)
            done(library.seccomp_rule_add_array(context, ctypes.c_uint32(ALLOW), number, len(compares), given), name)
    yield context
    library.seccomp_release(context)


def done(result: int, what: str) -> None:
    """Raise the error that libseccomp returned."""
    if result < 0:
        raise OSError(-result, f"{what}: {os.strerror(-result)}")
