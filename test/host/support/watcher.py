"""Runs a command and writes down arguments and environment of every process that there is meanwhile.

Laid on a test host and run there by root: `python3 watcher.py OUTPUT COMMAND...`. The kernel stops each process of the
host for it (ptrace(2)) when it has executed a program and when it ends, so that the shortest-lived are seen, whoever
started them; a look at all of /proc now and then sees what changes in between. Nothing else is stopped, which makes
it much quicker than strace.
"""

import ctypes
import json
import os
import pathlib
import signal
import sys
import threading
import time

CONT, SEIZE, LISTEN = 7, 0x4206, 0x4208
TRACEFORK, TRACEVFORK, TRACECLONE, TRACEEXEC, TRACEEXIT = 2, 4, 8, 0x10, 0x40
OPTIONS = TRACEFORK | TRACEVFORK | TRACECLONE | TRACEEXEC | TRACEEXIT
EVENT_EXEC, EVENT_EXIT, EVENT_STOP = 4, 6, 128
STOPS = (signal.SIGSTOP, signal.SIGTSTP, signal.SIGTTIN, signal.SIGTTOU)
ALL = 0x40000000  # __WALL: threads as well
INTERVAL = 0.25

libc = ctypes.CDLL(None, use_errno=True)
libc.ptrace.argtypes = (ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p)
libc.ptrace.restype = ctypes.c_long

seen: set[bytes] = set()
counts = {"executed": 0, "ended": 0, "looks": 0}


def ptrace(request: int, pid: int, data: int = 0) -> bool:
    """Whether it worked; it does not with a process that is just gone."""
    return libc.ptrace(request, pid, None, data) == 0


def note(pid: int | str) -> None:
    """Keep arguments and environment of a process."""
    for name in ("cmdline", "environ"):
        try:
            seen.add(pathlib.Path(f"/proc/{pid}/{name}").read_bytes())
        except OSError:  # it is gone
            pass


def look() -> None:
    """Look at all processes, for ever."""
    while True:
        for pid in filter(str.isdigit, os.listdir("/proc")):
            note(pid)
        counts["looks"] += 1
        time.sleep(INTERVAL)


def seize_all() -> None:
    """Have every thread of every other process stopped for us, and what they start."""
    seized = {os.getpid()}
    while True:
        tasks = {int(path.name) for path in pathlib.Path("/proc").glob("[0-9]*/task/[0-9]*")} - seized
        if not [pid for pid in tasks if ptrace(SEIZE, pid, OPTIONS)]:
            break
        seized |= tasks
    if 1 not in seized:
        sys.exit("watcher: no process may be traced here; it takes the capability SYS_PTRACE")


def follow(command: int) -> int:
    """Take note of every program executed and every end, until the command ends; its exit code."""
    while True:
        pid, status = os.waitpid(-1, ALL)
        if os.WIFEXITED(status) or os.WIFSIGNALED(status):
            if pid == command:
                return os.waitstatus_to_exitcode(status)
            continue
        number, event = os.WSTOPSIG(status), status >> 16
        if event in (EVENT_EXEC, EVENT_EXIT):
            note(pid)
            counts["executed" if event == EVENT_EXEC else "ended"] += 1
        if event == EVENT_STOP and number in STOPS:
            ptrace(LISTEN, pid)
        else:
            ptrace(CONT, pid, 0 if event else number)


def main(output: str, *command: str) -> int:
    """Run the command and write down what was seen."""
    ready, go = os.pipe()
    child = os.fork()
    if not child:
        os.read(ready, 1)  # until it is stopped for us, as all others are
        os.execvp(command[0], command)
    seize_all()
    os.write(go, b".")
    threading.Thread(target=look, daemon=True).start()
    code = follow(child)
    with open(output, "wb", opener=lambda path, flags: os.open(path, flags, 0o600)) as file:
        file.write(b"\n".join(seen.copy()).replace(b"\0", b"\n"))
    pathlib.Path(f"{output}.json").write_text(json.dumps(counts))
    return code


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
