"""Progress of a run: on a terminal a line, which state of how many, what it is at, and for how long; else a line for
each phase, where bootstrap asks for it.
"""

import contextlib
import logging
import os
import pathlib
import shutil
import sys
import threading
import time
from types import FrameType
from typing import Any

__virtualname__ = "progress"

OURS = "progress"  # logger of what our states say that they are at, and of nothing once they are done
DPKG = pathlib.Path("/var/log/dpkg.log")
RUNS = {"state.apply", "state.highstate", "state.sls", "phagescan.preview"}
STARTING = "reading pillar and states"


def __virtual__() -> bool:
    """Where somebody looks, or bootstrap asks for it."""
    return bool(os.environ.get("PHAGESCAN_PROGRESS")) or sys.stderr.isatty()


def setup_handlers() -> logging.Handler:
    """Salt asks log handler modules for their handlers by this name."""
    for name in ("salt.state", OURS):
        logging.getLogger(name).setLevel(logging.INFO)
    return _ProgressHandler(level=logging.INFO)


class _ProgressHandler(logging.Handler):
    """Follows the `Running state` and `Completed state` records of salt.state (3008 logs them at level info), and what
    our own states say.
    """

    def __init__(self, level: int) -> None:
        super().__init__(level)
        self._number = 0
        self._total = 0
        self._running = self._phase = ""
        self._doing = STARTING if RUNS & {*sys.argv} else ""
        self._since = time.monotonic()
        self._terminal = sys.stderr.isatty()
        threading.Thread(target=self._tick, daemon=True).start()

    def emit(self, record: logging.LogRecord) -> None:
        if record.name == OURS:
            self._doing = record.getMessage()
            self._since = self._since if self._running else time.monotonic()
            if self._terminal:
                self._draw()
            elif self._doing:
                self._say(self._doing)
        if record.name != "salt.state" or not isinstance(record.msg, str):
            return
        if record.msg.startswith("Running state"):
            self._number += 1
            # A state that Salt calls twice is in its list once.
            total = self._total or _count_chunks()
            self._total = max(total, self._number) if total else 0
            self._since = time.monotonic()
            self._running = str(record.args[0]) if isinstance(record.args, tuple) and record.args else ""
            self._doing = ""
            self._draw()
            self._enter(_sls())
        elif record.msg.startswith("Completed state"):
            self._running = self._doing = ""
            self._draw()

    def _tick(self) -> None:
        while True:
            time.sleep(1)
            if self._running and not self._doing.startswith("waiting"):
                self._doing = _package() or self._doing
            if self._running or self._doing:
                self._draw()

    def _enter(self, phase: str) -> None:
        """Say, where there is no terminal, which part of the host is looked at now."""
        if phase and phase != self._phase and not self._terminal:
            self._say(f"[{self._number}/{self._total}] {phase}")
        self._phase = phase or self._phase

    def _say(self, line: str) -> None:
        sys.stderr.write(f"{line}\n")
        sys.stderr.flush()

    def _draw(self) -> None:
        if not self._terminal:
            return
        state = f"[{self._number}/{self._total}] {self._running}" if self._running else ""
        line = ": ".join(filter(None, (state, self._doing)))
        seconds = int(time.monotonic() - self._since)
        line += f"  {seconds} s" if line and seconds else ""
        sys.stderr.write(f"\r\033[K{line[: shutil.get_terminal_size().columns - 1]}")
        sys.stderr.flush()


def _count_chunks() -> int:
    """Salt does not say how many states there are; the caller that loops over them knows."""
    return len(_caller("call_chunks").get("chunks", ()))


def _sls() -> str:
    """The formula of the state that is being run, as its caller knows."""
    return str(_caller("call").get("low", {}).get("__sls__", "")).partition(".")[0]


def _caller(name: str) -> dict[str, Any]:
    """Variables of the nearest caller of this name."""
    frame: FrameType | None = sys._getframe()
    while frame:
        if frame.f_code.co_name == name:
            return frame.f_locals
        frame = frame.f_back
    return {}


def _package() -> str:
    """The package that dpkg is at, while it writes its log."""
    with contextlib.suppress(OSError), DPKG.open("rb") as file:
        status = os.stat(file.fileno())
        if 0 <= time.time() - status.st_mtime < 10:
            file.seek(max(0, status.st_size - 500))
            words = file.read().decode(errors="replace").splitlines()[-1].split()
            return next((word.partition(":")[0] for word in words[3:] if ":" in word), "")
    return ""
