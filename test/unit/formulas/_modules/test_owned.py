"""What earlier runs have made."""

from collections.abc import Callable
from typing import Any


def test_ours(load: Callable[..., Any]) -> None:
    """The project's record says it; without one any file is ours."""
    module = load("_modules/owned", __utils__={"ownership.ours": lambda path: path == "/etc/ours"})
    assert (module.ours("/etc/ours"), module.ours("/etc/theirs")) == (True, False)
    assert load("_modules/owned", __utils__={}).ours("/etc/theirs")
