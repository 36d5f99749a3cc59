"""Waiting for a condition, never for a time."""

import time
from collections.abc import Callable
from typing import Any


def wait_until(condition: Callable[[], Any], what: str, tries: int = 300) -> Any:
    """Poll a condition until it holds."""
    for _ in range(tries):
        if value := condition():
            return value
        time.sleep(0.2)
    raise AssertionError(f"waited in vain: {what}")
