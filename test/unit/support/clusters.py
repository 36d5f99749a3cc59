"""Pillar of a database cluster, and a cluster that is so."""

from typing import Any

PASSWORD = "unit-database-0123456789"


def wanted() -> dict[str, Any]:
    """Pillar of one role and one database."""
    return {
        "roles": {"keeper": {"password": PASSWORD, "createdb": True}},
        "databases": {"shop": {"owner": "keeper", "extensions": ["hstore"]}},
    }


def converged(verifier: str) -> dict[str, Any]:
    """What such a cluster says, with things of somebody else's in it."""
    keeper = {"login": True, "createdb": True, "superuser": False, "expires": False, "verifier": verifier}
    postgres = {"login": True, "createdb": True, "superuser": True, "expires": True, "verifier": None}
    return {
        "roles": {"keeper": keeper, "postgres": postgres},
        "databases": {"shop": "keeper", "postgres": "postgres", "theirs": "postgres"},
        "extensions": {"shop": ["plpgsql", "hstore"]},
        "owners": {"shop": ["keeper"]},
    }
