"""State of packages that apt installs.

In place of pkg.installed, which fails where one of several sources does, dies of another's lock, and tells of dpkg's
errors that there was one. Services that this run starts later are not started by their packages, with defaults.
"""

from collections.abc import Callable
from typing import Any

from salt.exceptions import CommandExecutionError

# Set by Salt's loader.
__lowstate__: list[dict[str, Any]]
__opts__: dict[str, Any]
__utils__: dict[str, Callable[..., Any]]


def installed(name: str, pkgs: list[str], **_aggregation: Any) -> dict[str, Any]:
    """All of `pkgs` are installed, without what they only recommend."""
    missing = __utils__["packages.missing"](pkgs)
    if not missing:
        return __utils__["results.clean"](name, "All packages are installed.")
    changes = dict.fromkeys(missing, "installed")
    if __opts__["test"]:
        return __utils__["results.pending"](name, changes, f"Would be installed: {', '.join(missing)}")
    try:
        held = __utils__["starts.stopped"](__lowstate__, __utils__["daemon.status"])
        with __utils__["starts.held"](held):
            notes = __utils__["packages.install"](missing)
    except CommandExecutionError as error:
        return __utils__["results.failed"](name, error)
    lines = [f"Installed: {', '.join(missing)}", *(f"Note: {note}" for note in notes)]
    return __utils__["results.changed"](name, changes, "\n".join(lines))


def mod_aggregate(low: dict[str, Any], chunks: list[dict[str, Any]], _running: dict[str, Any]) -> dict[str, Any]:
    """The first of these states installs the packages of all, in one transaction (state_aggregate)."""
    low["pkgs"] = list(dict.fromkeys(package for chunk in (low, *chunks) for package in chunk["pkgs"]))
    for chunk in chunks:
        chunk["__agg__"] = True
    return low
