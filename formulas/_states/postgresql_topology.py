"""State of a PostgreSQL cluster's roles, databases and extensions as a whole."""

from collections.abc import Callable
from typing import Any

from salt.exceptions import CommandExecutionError

# Set by Salt's loader.
__opts__: dict[str, Any]
__salt__: dict[str, Callable[..., Any]]
__utils__: dict[str, Callable[..., Any]]

NOTHING: dict[str, Any] = {"roles": {}, "databases": {}, "extensions": {}, "owners": {}, "rules": [], "hba": ""}


def asked(name: str, port: int = 5432) -> dict[str, Any]:
    """A connection to the cluster on `port` is begun for the states that need one; what becomes of it they will see."""
    __utils__["psql.begin"](port)
    return __utils__["results.clean"](name, "A connection was begun.")


def managed(name: str, port: int = 5432) -> dict[str, Any]:
    """The cluster on `port` has the roles, databases and extensions that the settings of formula `name` list.

    Passwords are taken from pillar here, so they are in no rendered SLS, and a new one is proved with a login.
    What pillar does not name stays.
    """
    pillar = __salt__["settings.get"](name, unmask=True)
    wanted = {"roles": pillar.get("roles", {}), "databases": pillar.get("databases", {})}
    try:
        if __opts__["test"] and not __utils__["psql.program"]():
            actual = NOTHING
        else:
            within = [
                name
                for name, database in wanted["databases"].items()
                if database.get("extensions") or database.get("schema_owner")
            ]
            actual = __utils__["postgresql_topology.read"](within, port, __utils__["psql.run"])
        if reason := __utils__["postgresql_topology.login_refusal"](wanted, actual):
            return __utils__["results.failed"](name, reason)
        plan = __utils__["postgresql_topology.plan"](wanted, actual)
        if not __opts__["test"] and plan["changes"]:
            __utils__["psql.run"](plan["roles"], port)
            __utils__["psql.run_together"](plan["create"], port)
            __utils__["psql.run"](plan["owners"], port)
            for role in plan["logins"]:
                __utils__["postgresql_topology.login"](role, str(wanted["roles"][role]["password"]), port)
    except CommandExecutionError as error:
        if __opts__["test"]:
            return __utils__["results.pending"](name, {"cluster": "to be started"}, str(error))
        return __utils__["results.failed"](name, error)
    if not plan["changes"]:
        return __utils__["results.clean"](name, "The cluster has what pillar lists.")
    listed = "; ".join(f"{what} {how}" for what, how in plan["changes"].items())
    if __opts__["test"]:
        return __utils__["results.pending"](name, plan["changes"], f"Cluster would change: {listed}")
    return __utils__["results.changed"](name, plan["changes"], f"Cluster changed: {listed}")
