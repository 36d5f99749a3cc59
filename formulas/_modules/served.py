"""What Salt serves as salt://, and where it can be read on this host."""

import os
from collections.abc import Callable
from typing import Any

import salt.fileclient

# Set by Salt's loader.
__context__: dict[str, Any]
__opts__: dict[str, Any]
__salt__: dict[str, Callable[..., Any]]

ENVIRONMENT = "base"


def files() -> dict[str, str]:
    """Each file by its path below salt://, and a local path. Without a master it is read in place, where it is served
    from; what a master serves is copied into Salt's cache first. What Python makes (__pycache__) is left out.
    """
    if "served.files" not in __context__:
        found = _in_place() if __opts__["file_client"] == "local" else _cached()
        __context__["served.files"] = {name: path for name, path in found.items() if path and "__pycache__" not in name}
    return __context__["served.files"]


def _in_place() -> dict[str, str]:
    # Salt's other client for a host without a master copies and hashes each file, a millisecond each.
    client = salt.fileclient.PillarClient({**__opts__, "pillar_roots": __opts__["file_roots"]})
    return {name: client.get_file(f"salt://{name}", saltenv=ENVIRONMENT) for name in client.file_list(ENVIRONMENT)}


def _cached() -> dict[str, str]:
    top = os.path.join(__opts__["cachedir"], "files", ENVIRONMENT)
    return {os.path.relpath(path, top): path for path in __salt__["cp.cache_dir"]("salt://", ENVIRONMENT) if path}
