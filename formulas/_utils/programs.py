"""Runs programs, and says why one has failed: every call of ours goes this way.

A program has no terminal, not even by /dev/tty (a session of its own), and reads nothing but what it is given: it asks
no questions. What it writes goes to memory: a full disk loses no reason, a daemon that keeps it open is not awaited,
and bytes that are no UTF-8 are replaced.
"""

import contextlib
import glob
import os
import pathlib
import re
import select
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from typing import Any

from salt.exceptions import CommandExecutionError

Done = subprocess.CompletedProcess[str]
Running = subprocess.Popen[bytes]
PIPE, STDOUT = subprocess.PIPE, subprocess.STDOUT

MOST = 900  # characters of a reason
LINE = 300
LOGS = "/var/log"
STAMP = re.compile(r"(\d{4})[-/](\d\d)[-/](\d\d)[ T](\d\d:\d\d:\d\d)")
ERROR = re.compile(r"\w*error\w*\W.*\w|emerg|fatal|denied|refused|cannot", re.IGNORECASE)
# How systemctl and Debian's invoke-rc.d name a service that did not start.
FAILED = re.compile(
    r'^(?:Job for (\S+?)\.service|invoke-rc\.d: initscript ([^\s,]+), action "\w+") failed', re.MULTILINE
)


def start(command: Sequence[str], **options: Any) -> Running:
    """Start a program, with Popen's options."""
    given: dict[str, Any] = {"stdin": subprocess.DEVNULL, "start_new_session": True, **options}
    return subprocess.Popen(command, **given)


def run(command: Sequence[str], stdin: str = "", timeout: float | None = None, **options: Any) -> Done:
    """How a program ended, and what it said. Raises OSError where it cannot be run, TimeoutError where it takes too
    long.
    """
    with _memory() as given, _memory() as out, _memory() as err:
        os.write(given, stdin.encode())
        os.lseek(given, 0, os.SEEK_SET)
        began, process = time.time(), start(command, stdin=given, stdout=out, stderr=err, **options)
        try:
            _await(process, os.path.basename(str(command[0])), timeout)
        except BaseException:  # CTRL+C, which has not reached it
            _end(process)
            raise
        done = Done(command, process.returncode, _read(out), _read(err))
        done.began = began  # type: ignore[attr-defined]
        return done


def call(*command: str, **options: Any) -> str:
    """What a program prints; raises CommandExecutionError with the reason where it fails, or cannot be run."""
    try:
        done = run(command, **options)
    except OSError as error:
        raise CommandExecutionError(f"{' '.join(command[:4])}: {error.strerror or error}") from None
    if done.returncode:
        raise CommandExecutionError(failure(done))
    return done.stdout


def failure(done: Done) -> str:
    """Why a program has failed, on one line: which, how it ended, and its last words."""
    code = done.returncode
    how = f"failed ({code})" if code >= 0 else f"was ended by {signal.Signals(-code).name}"
    words = done.args if len(done.args) < 6 else [*done.args[:4], "..."]
    return f"{' '.join(map(str, words))} {how}: {reason(done.stderr, done.stdout, since=getattr(done, 'began', None))}"


def reason(*texts: str, since: float | None = None) -> str:
    """The last words of the first text with any, and those of each service that is said not to have started."""
    said = next((text for text in texts if text.strip()), "")
    services = {name for text in texts for names in FAILED.findall(text) for name in names if name}
    lines = [line for name in sorted(services) for line in service_log(name, since)]
    more = f" {' '.join(' '.join(lines).split())[-MOST:]}" if lines else ""
    return (" ".join(said.split())[-MOST:] + more).strip() or "it said nothing"


def service_log(name: str, since: float | None = None) -> list[str]:
    """The last words of a service: of its journal, and of the logs that it has written to `since`.

    The first errors are the reason; what follows them are its consequences.
    """
    lines = last_lines(name, "")
    for path in sorted(glob.iglob(f"{LOGS}/**", recursive=True), reverse=True):
        if _is_log(path, name, since or 0.0):
            written = _written(tail(path, 1000, 2**17), since or 0.0)
            lines += ([line for line in written if ERROR.search(line)] or written[-4:])[:4]
    return [_printable(line) for line in dict.fromkeys(lines)]


def last_lines(unit: str, log: str, since: float | None = None, journal: int = 4, file: int = 4) -> list[str]:
    """The last lines of a unit's journal, where there is one, and of the newest file that `log`, a pattern, names.

    What systemd itself says of the unit counts only where there is nothing else.
    """
    lines = []
    if os.path.isdir("/run/systemd/system"):
        command = ["journalctl", "--quiet", "--no-pager", "--output=short-iso", "--lines=50", f"--unit={unit}"]
        with contextlib.suppress(OSError):
            said = run([*command, f"--since=@{since or 0:.0f}"], timeout=5).stdout.splitlines()
            lines += ([line for line in said if " systemd[1]: " not in line] or said)[-journal:]
    if log and (files := glob.glob(log)):
        lines += tail(max(files, key=os.path.getmtime), file)
    return [_printable(line) for line in lines]


def tail(path: str, lines: int = 4, size: int = 2**13) -> list[str]:
    """The last lines of a file that may be large, or gone."""
    with contextlib.suppress(OSError), open(path, "rb") as file:
        file.seek(max(0, os.stat(file.fileno()).st_size - size))
        return file.read().decode(errors="replace").splitlines()[-lines:]
    return []


def _written(lines: list[str], since: float) -> list[str]:
    """Lines of a log from a time on, by the stamps that some of them have."""
    first, old = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(since - 1)), False
    kept = []
    for line in lines:
        if stamp := STAMP.search(line):
            old = "{}-{}-{} {}".format(*stamp.groups()) < first
        kept += [] if old else [line]
    return kept


def _printable(line: str) -> str:
    return "".join(char if char.isprintable() else " " for char in line)[:LINE]


def _is_log(path: str, name: str, since: float) -> bool:
    """Whether a file may be a service's log, by its name or how that begins, and was written since."""
    with contextlib.suppress(OSError):
        named = re.split("[-@]", name)[0] in path.removeprefix(LOGS) and path.endswith(".log") and "access" not in path
        return named and os.path.isfile(path) and os.path.getmtime(path) >= since - 1
    return False


@contextlib.contextmanager
def _memory() -> Iterator[int]:
    """A file in memory, which goes with the processes that have it."""
    file = os.memfd_create("salt")
    try:
        yield file
    finally:
        os.close(file)


def _read(file: int) -> str:
    return pathlib.Path(f"/proc/self/fd/{file}").read_bytes().decode(errors="replace")


def _await(process: Running, name: str, timeout: float | None) -> None:
    """Wait for a program's end; Popen.wait would look for it now and then."""
    if timeout is not None:
        ended = os.pidfd_open(process.pid)
        try:
            if not select.select([ended], [], [], timeout)[0]:
                raise TimeoutError(f"{name} gave no answer in {timeout:g} s")
        finally:
            os.close(ended)
    process.wait()


def _end(process: Running) -> None:
    """End a program and what it has started."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(OSError):
            os.killpg(process.pid, number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(10)
            return
