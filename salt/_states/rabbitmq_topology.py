"""State of the broker's users, vhosts, permissions and policies as a whole."""

from collections.abc import Callable
from typing import Any

from salt.exceptions import CommandExecutionError

# Set by Salt's loader.
__context__: dict[str, Any]
__opts__: dict[str, Any]
__salt__: dict[str, Callable[..., Any]]

WRITING = "rabbitmq_topology.writing"  # key in __context__
EMPTY: dict[str, Any] = {"vhosts": [], "users": {}, "policies": {}, "absent": {"users": [], "vhosts": []}}


def managed(name: str) -> dict[str, Any]:
    """The local RabbitMQ has what pillar key `name` lists, and nothing of what its `absent` lists.

    Passwords are taken from pillar here, so they stand in no rendered SLS. What pillar does not name stays. What is
    to be changed is being written while other states go on: `written` waits for it.
    """
    result: dict[str, Any] = {"name": name, "result": True, "changes": {}, "comment": ""}
    wanted = EMPTY | __salt__["pillar.get"](name, {}, unmask=True)
    wanted["absent"] = EMPTY["absent"] | wanted["absent"]
    changes: dict[str, str] = {}
    try:
        actual = _read(changes)
        if actual is None:
            return result | {"result": None, "changes": changes, "comment": "The broker would be started first."}
        plan = __salt__["rabbitmq_topology.plan"](wanted, actual)
        changes.update(plan["changes"])
        if plan["changes"] and not __opts__["test"]:
            __context__[WRITING] = __salt__["rabbitmq_topology.write"](plan)
    except CommandExecutionError as error:
        return result | {"result": False, "comment": str(error)}
    if not changes:
        return result | {"comment": "The broker has what pillar lists."}
    verb = "would change" if __opts__["test"] else "changed"
    return result | {
        "result": None if __opts__["test"] else True,
        "changes": changes,
        "comment": f"Broker {verb}: " + "; ".join(f"{what} {how}" for what, how in changes.items()),
    }


def written(name: str) -> dict[str, Any]:
    """The broker has what `managed` gave it to write."""
    result: dict[str, Any] = {"name": name, "result": True, "changes": {}, "comment": "There was nothing to write."}
    if not (writing := __context__.pop(WRITING, None)):
        return result
    try:
        writing.result()
    except CommandExecutionError as error:
        return result | {"result": False, "comment": str(error)}
    return result | {"comment": "It is written."}


def _read(changes: dict[str, str]) -> dict[str, Any] | None:
    """Definitions of the broker, whose application is started first where it was stopped; None in a preview of that."""
    if __opts__["test"] and not __salt__["rabbitmq_topology.installed"]():
        return {}
    try:
        return __salt__["rabbitmq_topology.read"]()
    except CommandExecutionError as error:
        if __opts__["test"]:
            changes["application"] = f"to be started ({error})"
            return None
        __salt__["rabbitmq_topology.ctl"]("start_app")
        __salt__["rabbitmq_topology.ctl"]("await_startup", "--timeout", "120")
        changes["application"] = "started"
        return __salt__["rabbitmq_topology.read"]()
