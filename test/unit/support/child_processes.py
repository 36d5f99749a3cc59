"""Processes, and waiting for what they do."""

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any


def gone(pid: int) -> bool:
    """Tell whether a process has ended."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"


def until(condition: Callable[[], Any], seconds: float = 20.0) -> Any:
    """Wait for a condition."""
    deadline = time.monotonic() + seconds
    while not (result := condition()):
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.01)
    return result


def children(pid: int) -> list[int]:
    """Return the numbers of a process's children."""
    return [int(number) for number in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
