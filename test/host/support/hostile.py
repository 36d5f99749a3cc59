"""An engine that a sample has taken over: each of its attempts should be refused. Its file lies in `engines` under
several names, each of which says what of the confinement this kernel is to lack.

hostile: nothing; hostile_old: Landlock is its first version; hostile_none: there is no Landlock; hostile_nouser: users
may not make namespaces.
"""

import ctypes
import errno
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

from engines import Engine, Finding
from worker import confine

libc = ctypes.CDLL(None, use_errno=True)
numbers = ctypes.CDLL("libseccomp.so.2").seccomp_syscall_resolve_name
parent, worker = os.getpid(), os.getppid()
page = ctypes.create_string_buffer(4096)
LACK = __name__.partition("_")[2]
LOGS, LOGIN = "/var/log/phagescan-worker", "/etc/phagescan/worker.toml"


def lacking(what: str) -> Callable[..., Any]:
    """Make a function that fails as a kernel does that lacks something."""

    def fail(*_: Any) -> None:
        raise OSError(errno.ENOSYS, what)

    return fail


if LACK == "old":
    confine.landlock_version = lambda: 1
elif LACK == "none":
    confine.landlock_version = lacking("masked")
elif LACK == "nouser":
    confine.own_network = lacking("masked")


def call(name: str, *arguments: Any) -> Callable[[], None]:
    """Make a system call by its name; one that this architecture has not is refused by nature."""

    def attempt() -> None:
        number = numbers(name.encode())
        if number < 0:
            raise PermissionError(errno.EPERM, "not on this architecture")
        padded = [ctypes.c_long(a) if isinstance(a, int) else a for a in (*arguments, *[0] * (6 - len(arguments)))]
        if libc.syscall(ctypes.c_long(number), *padded) < 0:
            raise OSError(ctypes.get_errno(), name)

    return attempt


def files(sample: Path) -> dict[str, Callable[[], Any]]:
    """List attempts at files, of which only reading the sample is right."""
    return {
        "write a log": lambda: open(f"{LOGS}/hostile", "w"),
        "append to a log": lambda: open(f"{LOGS}/celeryd.log", "a"),
        "open the logs to all": lambda: os.chmod(LOGS, 0o777),
        "give the logs away": lambda: os.chown(LOGS, os.getuid(), os.getgid()),
        "date the logs": lambda: os.utime(LOGS),
        "change the sample": lambda: open(sample, "r+b"),
        "truncate the sample": lambda: os.truncate(sample, 0),
        "remove the sample": lambda: os.unlink(sample),
        "rename the sample": lambda: os.rename(sample, f"{sample}.old"),
        "lock the sample": call("flock", os.open(sample, os.O_RDONLY), 2),
        "make a file beside it": lambda: open(sample.with_name("hostile"), "x"),
        "make a file in /tmp": lambda: open("/tmp/hostile", "w"),  # noqa: S108
        "make a file in /dev/shm": lambda: open("/dev/shm/hostile", "w"),  # noqa: S108
        "make a nameless file": lambda: os.open("/tmp", os.O_TMPFILE | os.O_RDWR),  # noqa: S108
        "make a link": lambda: os.symlink("/", "/tmp/hostile"),  # noqa: S108
        "make a directory": lambda: os.mkdir("/tmp/hostile"),  # noqa: S108
        "make a device": lambda: os.mknod("/tmp/hostile", 0o20600, 0x0103),  # noqa: S108
        "set an attribute": lambda: os.setxattr(sample, "user.hostile", b"1"),
        "read the login": lambda: open(LOGIN).read(),
        "read the users": lambda: open("/etc/passwd").read(),
        "list the samples": lambda: os.listdir(sample.parent),
        "read a journal": lambda: os.listdir("/var/log"),
        "read what root runs": lambda: open("/proc/1/cmdline").read(),
        "read the environment of the worker": lambda: open(f"/proc/{worker}/environ", "rb").read(),
        "read the memory of the worker": lambda: open(f"/proc/{worker}/mem", "rb"),
        "read the memory of the engine": lambda: open(f"/proc/{parent}/mem", "rb"),
        "write into /proc": lambda: open("/proc/self/oom_score_adj", "w"),
        "read /sys": lambda: os.listdir("/sys/class"),
        "write into /sys": lambda: open("/sys/power/state", "w"),
        "open a terminal": lambda: open("/dev/ptmx", "r+b", buffering=0),
        "open memory": lambda: open("/dev/mem", "rb"),
        "watch files": call("inotify_init1", 0),
        "make memory that is a file": lambda: os.memfd_create("hostile"),
    }


def processes() -> dict[str, Callable[[], Any]]:
    """List attempts at processes: this one's parent, which has loaded the engine, and the worker above it."""
    return {
        "fork": lambda: os.fork() or os._exit(0),
        "start a thread": call("clone", 0x10F00),
        "start a thread the new way": call("clone3", page, 88),
        "run a program": lambda: subprocess.Popen(["/bin/true"]),  # noqa: S603
        "kill the engine": lambda: os.kill(parent, 0),
        "kill the worker": lambda: os.kill(worker, 0),
        "kill everybody": lambda: os.kill(-1, 0),
        "kill a thread": call("tgkill", worker, worker, 0),
        "kill a task": call("tkill", worker, 0),
        "queue a signal": call("rt_sigqueueinfo", worker, 10, page),
        "take hold of the worker": lambda: os.pidfd_open(worker),
        "take a descriptor of it": call("pidfd_getfd", 0, 0),
        "have signals sent by a file": call("fcntl", 0, 8, worker),
        "trace the worker": call("ptrace", 16, worker),
        "read a sibling's memory": call("process_vm_readv", worker, page, 1, page, 1),
        "write a sibling's memory": call("process_vm_writev", worker, page, 1, page, 1),
        "compare descriptors": call("kcmp", worker, parent),
        "limit the worker": call("prlimit64", worker, 1, page),
        "limit the engine": call("prlimit64", parent, 1, page),
        "limit oneself": call("prlimit64", 0, 1, page),
        "renice the worker": lambda: os.setpriority(os.PRIO_PROCESS, worker, 19),
        "renice all": lambda: os.setpriority(os.PRIO_USER, os.getuid(), 19),
        "bind the worker": lambda: os.sched_setaffinity(worker, {0}),
        "schedule the worker": call("sched_setscheduler", worker, 5, page),
        "starve the worker of disk": call("ioprio_set", 1, worker, 3 << 13),
        "leave the session": os.setsid,
        "leave the group": lambda: os.setpgid(0, 0),
        "be another": lambda: os.setuid(0),
        "have capabilities": call("capset", page, page),
        "be traced": call("prctl", 4, 1),
        "outlive the parent": call("prctl", 1, 0),
        "set an alarm": call("setitimer", 0, page),
        "make a timer": call("timer_create", 0, 0, page),
    }


def kernel() -> dict[str, Callable[[], Any]]:
    """List attempts at what processes share, and at the kernel itself."""
    return {
        "share memory": call("shmget", 0, 4096, 0o1600),
        "make a message queue": call("msgget", 0, 0o1600),
        "make a semaphore": call("semget", 0, 1, 0o1600),
        "make a POSIX queue": call("mq_open", page, 0o102, 0o600),
        "add a key": call("add_key", page, page, page, 1, -3),
        "use keys": call("keyctl", 0, -3, 1),
        "ask for a key": call("request_key", page, page),
        "make a user namespace": call("unshare", 0x10000000),
        "make it by clone": call("clone", 0x10000011),
        "enter a namespace": call("setns", 0, 0),
        "mount": call("mount", page, page, page),
        "mount the new way": call("fsopen", page),
        "open a tree": call("open_tree", -100, page, 1),
        "unmount": call("umount2", page),
        "change the root": call("chroot", page),
        "pivot the root": call("pivot_root", page, page),
        "set up io_uring": call("io_uring_setup", 1, page),
        "load a program into the kernel": call("bpf", 0, page, 64),
        "count events": call("perf_event_open", page, 0, -1, -1),
        "handle faults": call("userfaultfd", 0),
        "load a module": call("init_module", page, 1, page),
        "load a kernel": call("kexec_load", 0, 0, page),
        "reboot": call("reboot", 0, 0, 0),
        "set the clock": call("clock_settime", 0, page),
        "adjust the clock": call("clock_adjtime", 0, page),
        "name the host": call("sethostname", page, 1),
        "read the kernel's log": call("syslog", 3, page, 1),
        "swap": call("swapon", page),
        "account": call("acct", page),
        "open by handle": call("open_by_handle_at", 0, page, 0),
        "use ports": call("ioperm", 0, 1, 1),
        "fill the memory": lambda: bytearray(16 << 30),
    }


FAMILIES = {
    "UNIX": 1, "INET": 2, "INET6": 10, "NETLINK": 16, "PACKET": 17, "RDS": 21, "CAN": 29, "TIPC": 30, "BLUETOOTH": 31,
    "ALG": 38, "VSOCK": 40, "KCM": 41, "XDP": 44,
}  # fmt: skip
"""Of socket.h; Python knows those that the system it was built on had."""


def sockets() -> dict[str, Callable[[], Any]]:
    """List attempts at sockets, of every family that has been a way out somewhere."""
    made = {
        f"socket {name}, kind {kind}": call("socket", family, kind, 0)
        for name, family in FAMILIES.items()
        for kind in (1, 2, 3)
    }
    return made | {"a pair of sockets": call("socketpair", 1, 1, 0, page)}


def call_number(number: int) -> None:
    """Make a system call by its number."""
    if libc.syscall(ctypes.c_long(number)) < 0:
        raise OSError(ctypes.get_errno(), str(number))


def outcome(attempt: Callable[[], Any]) -> str:
    """Return "refused", or what became of an attempt that the confinement did not refuse."""
    try:
        attempt()
    except OSError as error:
        # What is not there was not reached; whether a file is there Landlock lets be asked.
        refused = error.errno in (errno.EPERM, errno.EACCES, errno.ENOENT)
        return "refused" if refused else f"done: {errno.errorcode.get(error.errno or 0, error)}"
    except MemoryError:
        return "refused"
    return "done"


class Hostile(Engine):
    """Tries to get out."""

    name = __name__.rpartition(".")[2]

    def version(self) -> str:
        """Return the version."""
        return "1"

    def self_test(self) -> None:
        """Pass."""

    def scan(self, path: Path) -> Finding:
        """Try; what was not refused is the finding."""
        order = path.read_bytes()
        if order == b"x32":
            return Finding(False, metadata={"x32": outcome(lambda: call_number(0x40000000 + 39))})
        if order != b"attack":
            return Finding(False)
        attempts = {**files(path), **processes(), **kernel(), **sockets()}
        outcomes = {name: outcome(attempt) for name, attempt in attempts.items()}
        done = {name: result for name, result in outcomes.items() if result != "refused"}
        return Finding(False, metadata={"attempts": str(len(outcomes)), **done})
