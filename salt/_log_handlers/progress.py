"""A progress line on the terminal: which state of how many, and for how long it has been running."""

import logging
import os
import shutil
import sys
import threading
import time
from types import FrameType

__virtualname__ = "progress"


def __virtual__() -> bool:
    """Only where bootstrap asks for it and somebody looks."""
    return bool(os.environ.get("PHAGESCAN_PROGRESS")) and sys.stderr.isatty()


def setup_handlers() -> logging.Handler:
    """Salt asks log handler modules for their handlers by this name."""
    logging.getLogger("salt.state").setLevel(logging.INFO)
    return _ProgressHandler(level=logging.INFO)


class _ProgressHandler(logging.Handler):
    """Follows the `Running state` and `Completed state` records of salt.state (3008 logs them at level info)."""

    def __init__(self, level: int) -> None:
        super().__init__(level)
        self._number = 0
        self._total = 0
        self._running = ""
        self._since = 0.0
        threading.Thread(target=self._tick, daemon=True).start()

    def emit(self, record: logging.LogRecord) -> None:
        if record.name != "salt.state" or not isinstance(record.msg, str):
            return
        if record.msg.startswith("Running state"):
            self._total = self._total or _count_chunks()
            self._number += 1
            self._since = time.monotonic()
            self._running = str(record.args[0]) if isinstance(record.args, tuple) and record.args else ""
            self._draw()
        elif record.msg.startswith("Completed state"):
            self._running = ""
            self._draw()

    def _tick(self) -> None:
        while True:
            time.sleep(1)
            if self._running:
                self._draw()

    def _draw(self) -> None:
        line = ""
        if self._running:
            seconds = int(time.monotonic() - self._since)
            line = f"[{self._number}/{self._total}] {self._running}" + (f"  {seconds} s" if seconds else "")
            line = line[: shutil.get_terminal_size().columns - 1]
        sys.stderr.write(f"\r\033[K{line}")
        sys.stderr.flush()


def _count_chunks() -> int:
    """Salt does not say how many states there are; the caller that loops over them knows."""
    frame: FrameType | None = sys._getframe()
    while frame:
        if frame.f_code.co_name == "call_chunks":
            return len(frame.f_locals["chunks"])
        frame = frame.f_back
    return 0
