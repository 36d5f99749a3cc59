"""What earlier runs have made on this host."""

from collections.abc import Callable
from typing import Any

# Set by Salt's loader.
__utils__: dict[str, Callable[..., Any]]


def ours(path: str) -> bool:
    """Whether an earlier run has made a file, by the record of the project (util `ownership.ours`); any file is ours
    where there is none.
    """
    return bool(__utils__["ownership.ours"](path)) if "ownership.ours" in __utils__ else True
