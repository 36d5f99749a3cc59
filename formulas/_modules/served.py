"""What Salt serves as salt://, and where it can be read on this host."""

import os
from collections.abc import Callable
from typing import Any

# Set by Salt's loader.
__context__: dict[str, Any]
__opts__: dict[str, Any]
__salt__: dict[str, Callable[..., Any]]

ENVIRONMENT = "base"
IGNORED = "__pycache__"


def files() -> dict[str, str]:
    """Each file by its path below salt://, and a local path. Without a master it is read in place, where Salt serves it
    from: its client would copy and hash each file, a millisecond each. What a master serves is copied into Salt's
    cache first. What Python makes (__pycache__), and links that lead nowhere, are left out.
    """
    if "served.files" not in __context__:
        __context__["served.files"] = _in_place() if __opts__["file_client"] == "local" else _cached()
    return __context__["served.files"]


def _in_place() -> dict[str, str]:
    found: dict[str, str] = {}
    for root in __opts__["file_roots"][ENVIRONMENT]:  # the first that has a file counts
        for folder, folders, names in os.walk(root, followlinks=True):
            folders[:] = [name for name in folders if name != IGNORED]
            for name in names:
                path = f"{folder}/{name}"
                if not os.path.islink(path) or os.path.isfile(path):
                    found.setdefault(path[len(root) + 1 :], path)
    return found


def _cached() -> dict[str, str]:
    top = os.path.join(__opts__["cachedir"], "files", ENVIRONMENT)
    cached = __salt__["cp.cache_dir"]("salt://", ENVIRONMENT)
    return {os.path.relpath(path, top): path for path in cached if path and IGNORED not in path}
