"""Waiting for a condition, never for a time."""

import time
from collections.abc import Callable
from typing import Any


def wait_until(condition: Callable[[], Any], what: str, tries: int = 300) -> Any:
    """Poll a condition until it holds. What takes its time is asked less often: hosts share two processors."""
    for _ in range(tries):
        begin = time.monotonic()
        if value := condition():
            return value
        time.sleep(max(0.2, time.monotonic() - begin))
    raise AssertionError(f"waited in vain: {what}")
