"""States about Phagescan as a whole."""

from collections.abc import Callable
from typing import Any

from salt.exceptions import CommandExecutionError

# Set by Salt's loader.
__context__: dict[str, Any]
__opts__: dict[str, Any]
__running__: dict[str, Any]
__salt__: dict[str, Callable[..., Any]]
__utils__: dict[str, Callable[..., Any]]

NOTED = "phagescan.noted.{}"  # key in __context__, by file


def refused(name: str) -> dict[str, Any]:
    """The run stops here, in a preview as well; `name` is the fault, a line for the operator."""
    return {"name": name, "result": False, "changes": {}, "comment": name}


def converged(name: str) -> dict[str, Any]:
    """File `name` says with which version of this tree the host was last converged: by a run in which no state failed."""
    result: dict[str, Any] = {"name": name, "result": True, "changes": {}}
    new, old = __utils__["release.tree"](__salt__["phagescan.checkout"]()), __utils__["release.recorded"](name)
    if any(each["result"] is False for each in __running__.values()):
        return result | {"comment": f"Not recorded, as something failed; the version is still {old or 'unknown'}."}
    if not new:
        return result | {"comment": "Not recorded: this tree has no file VERSION."}
    if new == old:
        return result | {"comment": f"The version is {new}."}
    result["changes"] = {"version": {"old": old, "new": new}}
    if __opts__["test"]:
        return result | {"result": None, "comment": f"Version {new} would be recorded."}
    __utils__["release.record"](new, name)
    return result | {"comment": f"Version {new} is recorded."}


def noted(name: str) -> dict[str, Any]:
    """The logins in settings file `name` are remembered, for `rotated`, before they are replaced."""
    __context__[NOTED.format(name)] = __salt__["phagescan.logins"](name)
    return {"name": name, "result": True, "changes": {}, "comment": "They are remembered."}


def rotated(name: str, user: str) -> dict[str, Any]:
    """A password that this run has changed in settings file `name` lets in, and the one before no longer does.

    They are tried as `user`, who may read the file. Nothing is changed by it, so a preview has nothing to say. A server
    that answers neither yes nor no proves nothing, and is not this state's to complain of.
    """
    result: dict[str, Any] = {"name": name, "result": True, "changes": {}, "comment": "No password was changed."}
    before, after = __context__.pop(NOTED.format(name), {}), __salt__["phagescan.logins"](name)
    changed = [
        kind
        for kind in after.keys() & before.keys()
        if after[kind].get("user") == before[kind].get("user")
        and after[kind].get("password") != before[kind].get("password")
    ]
    if not changed or __opts__["test"]:
        return result
    tried = [
        (kind, table)
        for kind in changed
        for table in (after[kind], {**after[kind], "password": before[kind]["password"]})
    ]
    try:
        said = __salt__["phagescan.login"](tried, user)
    except CommandExecutionError as error:
        return result | {"result": False, "comment": str(error)}
    lines, good = [], True
    for kind, new, old in zip(changed, said[::2], said[1::2], strict=True):
        login = f"{after[kind]['user']} at the {kind}"
        if new.startswith("refused"):
            good = False
            lines.append(f"{login}: the new password is {new}; converge the host that has the {kind} first")
        elif not old:
            good = False
            lines.append(f"{login}: the old password still lets in; see who else changes it, then run this again")
        elif new:
            lines.append(f"{login}: not proved, {new}")
        elif not old.startswith("refused"):
            lines.append(f"{login}: the new password lets in; not proved that the old one does not, {old}")
        else:
            lines.append(f"{login}: the new password lets in, the old one is {old}")
    return result | {"result": good, "comment": "; ".join(lines)}
