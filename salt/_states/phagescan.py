"""States about Phagescan as a whole."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from salt.exceptions import CommandExecutionError

# Set by Salt's loader.
__context__: dict[str, Any]
__lowstate__: Sequence[Mapping[str, Any]]
__opts__: dict[str, Any]
__running__: dict[str, Any]
__salt__: dict[str, Callable[..., Any]]
__utils__: dict[str, Callable[..., Any]]

NOTED = "phagescan.noted.{}"  # key in __context__, by file


def refused(name: str) -> dict[str, Any]:
    """The run stops here, in a preview as well; `name` is the fault, a line for the operator."""
    return __utils__["results.failed"](name, name)


def owned(name: str) -> dict[str, Any]:
    """All that this run would take is ours or free; it is recorded in file `name` before anything is changed."""
    lines, new, adopted = __salt__["phagescan.ownership"](__lowstate__)
    if lines:
        return __utils__["results.failed"](name, "\n".join(lines))
    if not new:
        return __utils__["results.clean"](name, "All that this run would take is ours.")
    if adopted and not any(chunk["fun"] == "converged" for chunk in __lowstate__):  # a record is of all, or of nothing
        return __utils__["results.clean"](name, "Not recorded: a highstate adopts what the release before has made.")
    changes = {"recorded": f"{len(new)} more"}
    whose = "adopted from the release that has converged this host before" if adopted else "free"
    if __opts__["test"]:
        return __utils__["results.pending"](name, changes, f"Would be recorded as ours: {len(new)} names, {whose}.")
    __utils__["ownership.record"]((__utils__["ownership.recorded"](name) or set()) | new, name)
    return __utils__["results.changed"](name, changes, f"Recorded as ours: {len(new)} names, {whose}.")


def converged(name: str) -> dict[str, Any]:
    """File `name` says with which version of this tree the host was last converged: by a run in which no state
    failed.
    """
    new, old = __utils__["release.tree"](__salt__["phagescan.checkout"]()), __utils__["release.recorded"](name)
    if any(each["result"] is False for each in __running__.values()):
        failed = f"Not recorded, as something failed; the version is still {old or 'unknown'}."
        return __utils__["results.clean"](name, failed)
    if not new:
        return __utils__["results.clean"](name, "Not recorded: this tree has no file VERSION.")
    if new == old:
        return __utils__["results.clean"](name, f"The version is {new}.")
    changes = {"version": {"old": old, "new": new}}
    if __opts__["test"]:
        return __utils__["results.pending"](name, changes, f"Version {new} would be recorded.")
    __utils__["release.record"](new, name)
    return __utils__["results.changed"](name, changes, f"Version {new} is recorded.")


def compiled(name: str) -> dict[str, Any]:
    """The YARA rules of pillar, which are in directory `name`, compile. The worker goes on without those that do
    not.
    """
    lines = __salt__["phagescan.rule_faults"]()
    if lines:
        return __utils__["results.failed"](name, "\n".join([*lines, "The worker goes on without them."]))
    well = "All rules compile." if lines == [] else "They are compiled once the engine is installed."
    return __utils__["results.clean"](name, well)


def noted(name: str) -> dict[str, Any]:
    """The broker's login in settings file `name` is remembered, for `rotated`, before it is replaced."""
    __context__[NOTED.format(name)] = __utils__["logins.read"](name)
    return __utils__["results.clean"](name, "It is remembered.")


def rotated(name: str, user: str) -> dict[str, Any]:
    """A password that this run has changed in settings file `name` lets in, and the one before no longer does.

    They are tried as `user`, who may read the file. Nothing is changed by it, so a preview has nothing to say. A broker
    that answers neither yes nor no proves nothing, and is no failure of this state.
    """
    before, after = __context__.pop(NOTED.format(name), {}), __utils__["logins.read"](name)
    other = before.get("user") != after.get("user") or before.get("password") == after.get("password")
    if not before or other or __opts__["test"]:
        return __utils__["results.clean"](name, "No password was changed.")
    try:
        site = __utils__["health.site"](__salt__["pillar.get"]("phagescan", unmask=True))
        tried = [after, {**after, "password": before["password"]}]
        new, old = __utils__["logins.answers"](tried, partial(__utils__["django_site.python"], site, user=user))
    except CommandExecutionError as error:
        return __utils__["results.failed"](name, error)
    proved, line = _proof(new, old)
    return __utils__["results.clean" if proved else "results.failed"](name, f"{after['user']} at the broker: {line}")


def _proof(new: str, old: str) -> tuple[bool, str]:
    """Whether a password is changed as it should be, and a comment: by what the broker says to the new and the old."""
    if new.startswith("refused"):
        return False, f"the new password is {new}; converge the host that has the broker first"
    if not old:
        return False, "the old password still lets in; see who else changes it, then run this again"
    if new:
        return True, f"not proved, {new}"
    if not old.startswith("refused"):
        return True, f"the new password lets in; not proved that the old one does not, {old}"
    return True, f"the new password lets in, the old one is {old}"
