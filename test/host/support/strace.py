"""Which processes a command starts, as strace sees it; `strace` must be on the host."""

import re
from collections import defaultdict

OUTPUT = "/run/strace-of-processes"
# Every C library calls set_tid_address once, right after execve: by then the kernel knows the process by its new name
# (--decode-pids), which is all there is to see of one that runs as another user, where strace may not read memory.
COMMAND = f"strace -f -qq -ttt -e trace=execve,set_tid_address,exit_group -e signal=none --decode-pids=comm -o {OUTPUT}"


def starts(trace: str) -> dict[str, list[float]]:
    """Lifetimes of all processes by the name of their program, in seconds: from execve until its next one or its
    end.
    """
    found: dict[str, list[float]] = defaultdict(list)
    asked: dict[str, str] = {}
    running: dict[str, tuple[str, float]] = {}

    def end(pid: str, now: float) -> None:
        if pid in running:
            program, since = running.pop(pid)
            found[program].append(now - since)

    for line in trace.splitlines():
        match = re.match(r"(\d+)(?:<(.*?)>)?\s+(\d+\.\d+)\s+(.*)", line)
        if not match:
            continue
        pid, name, now, text = match[1], match[2] or "?", float(match[3]), match[4]
        if call := re.match(r'execve\((?:"([^"]*)"|0x)', text):
            # Where a thread asks, its process becomes the program: `<pid changed to N ...>`.
            becomes = re.search(r"<pid changed to (\d+)", text)
            asked[becomes[1] if becomes else pid] = (call[1] or "").rpartition("/")[2]
        if re.match(r"execve.*= 0$|<\.\.\. execve resumed.*= 0$", text):
            end(pid, now)
            running[pid] = (asked.get(pid, ""), now)
        elif text.startswith("set_tid_address") and pid in running and not running[pid][0]:
            running[pid] = (name, running[pid][1])
        elif text.startswith("exit_group"):
            end(pid, now)
    for pid, (_, since) in list(running.items()):
        end(pid, since)  # killed, or still there
    return dict(found)
