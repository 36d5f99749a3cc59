"""State of a PostgreSQL cluster's roles, databases and extensions as a whole."""

from collections.abc import Callable
from typing import Any

from salt.exceptions import CommandExecutionError

# Set by Salt's loader.
__opts__: dict[str, Any]
__salt__: dict[str, Callable[..., Any]]
__utils__: dict[str, Callable[..., Any]]

NOTHING: dict[str, Any] = {"roles": {}, "databases": {}, "extensions": {}}


def asked(name: str, port: int = 5432) -> dict[str, Any]:
    """A connection to the cluster on `port` is begun for the states that need one; what becomes of it they will see."""
    __utils__["psql.begin"](port)
    return {"name": name, "result": True, "changes": {}, "comment": "A connection was begun."}


def managed(name: str, port: int = 5432) -> dict[str, Any]:
    """The cluster on `port` has the roles, databases and extensions that pillar key `name` lists.

    Passwords are taken from pillar here, so they stand in no rendered SLS, and a new one is proved with a login.
    What pillar does not name stays.
    """
    result: dict[str, Any] = {"name": name, "result": True, "changes": {}, "comment": ""}
    pillar = __salt__["pillar.get"](name, {}, unmask=True)
    wanted = {"roles": pillar.get("roles", {}), "databases": pillar.get("databases", {})}
    module = "postgresql_topology"
    try:
        if __opts__["test"] and not __salt__[f"{module}.installed"]():
            actual = NOTHING
        else:
            extended = [name for name, database in wanted["databases"].items() if database.get("extensions")]
            actual = __salt__[f"{module}.read"](extended, port)
        plan = __salt__[f"{module}.plan"](wanted, actual)
        if not __opts__["test"] and plan["changes"]:
            __utils__["psql.run"](plan["roles"], port)
            __utils__["psql.run_together"](plan["create"], port)
            __utils__["psql.run"](plan["owners"], port)
            for role in plan["logins"]:
                __salt__[f"{module}.login"](role, str(wanted["roles"][role]["password"]), port)
    except CommandExecutionError as error:
        if __opts__["test"]:
            return result | {"result": None, "changes": {"cluster": "to be started"}, "comment": str(error)}
        return result | {"result": False, "comment": str(error)}
    if not plan["changes"]:
        return result | {"comment": "The cluster has what pillar lists."}
    verb = "would change" if __opts__["test"] else "changed"
    return result | {
        "result": None if __opts__["test"] else True,
        "changes": plan["changes"],
        "comment": f"Cluster {verb}: " + "; ".join(f"{what} {how}" for what, how in plan["changes"].items()),
    }
