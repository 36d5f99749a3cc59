"""State of the broker's users, vhosts, permissions and policies as a whole."""

from collections.abc import Callable
from typing import Any

from salt.exceptions import CommandExecutionError

# Set by Salt's loader.
__context__: dict[str, Any]
__opts__: dict[str, Any]
__salt__: dict[str, Callable[..., Any]]
__utils__: dict[str, Callable[..., Any]]

WRITING = "rabbitmq_topology.writing"  # key in __context__
EMPTY: dict[str, Any] = {"vhosts": [], "users": {}, "policies": {}, "absent": {"users": [], "vhosts": []}}


def managed(name: str) -> dict[str, Any]:
    """The local RabbitMQ has what the settings of formula `name` list, and nothing of what their `absent` lists.

    Passwords are taken from pillar here, so they are in no rendered SLS. What pillar does not name stays. What is
    to be changed is being written while other states go on: `written` waits for it.
    """
    wanted = EMPTY | __salt__["settings.get"](name, unmask=True)
    wanted["absent"] = EMPTY["absent"] | wanted["absent"]
    changes: dict[str, str] = {}
    try:
        actual = _read(changes)
        if actual is None:
            return __utils__["results.pending"](name, changes, "The broker would be started first.")
        plan = __utils__["rabbitmq_topology.plan"](wanted, actual)
        changes.update(plan["changes"])
        if plan["changes"] and not __opts__["test"]:
            __context__[WRITING] = __utils__["rabbitmq_topology.write"](plan)
    except CommandExecutionError as error:
        return __utils__["results.failed"](name, error)
    if not changes:
        return __utils__["results.clean"](name, "The broker has what pillar lists.")
    listed = "; ".join(f"{what} {how}" for what, how in changes.items())
    if __opts__["test"]:
        return __utils__["results.pending"](name, changes, f"Broker would change: {listed}")
    return __utils__["results.changed"](name, changes, f"Broker changed: {listed}")


def written(name: str) -> dict[str, Any]:
    """The broker has what `managed` gave it to write."""
    if not (writing := __context__.pop(WRITING, None)):
        return __utils__["results.clean"](name, "There was nothing to write.")
    try:
        writing.result()
    except CommandExecutionError as error:
        return __utils__["results.failed"](name, error)
    return __utils__["results.clean"](name, "It is written.")


def _read(changes: dict[str, str]) -> dict[str, Any] | None:
    """Definitions of the broker, whose application is started first where it was stopped; None in a preview of that."""
    if __opts__["test"] and not __utils__["rabbitmq_topology.installed"]():
        return {}
    try:
        return __utils__["rabbitmq_topology.read"]()
    except CommandExecutionError as error:
        if __opts__["test"]:
            changes["application"] = f"to be started ({error})"
            return None
        __utils__["rabbitmq_topology.ctl"]("start_app")
        __utils__["rabbitmq_topology.ctl"]("await_startup", "--timeout", "120")
        changes["application"] = "started"
        return __utils__["rabbitmq_topology.read"]()
