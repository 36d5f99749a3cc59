"""Pillar of a broker, and what a broker that is so exports."""

from collections.abc import Callable
from typing import Any

ALL = [".*", ".*", ".*"]
PASSWORD = "unit-broker-0123456789"
SHA256 = "rabbit_password_hashing_sha256"


def wanted() -> dict[str, Any]:
    """Pillar of one user on one vhost."""
    return {
        "vhosts": ["shop"],
        "users": {"seller": {"password": PASSWORD, "tags": [], "permissions": {"shop": list(ALL)}}},
        "policies": {"shop": {"limit": {"pattern": "^log", "definition": {"max-length": 9}}}},
        "absent": {"users": ["guest"], "vhosts": ["old"]},
    }


def converged(password_hash: Callable[[str], str]) -> dict[str, Any]:
    """What such a broker exports, with things of somebody else's in it."""

    def user(name: str, password: str, tags: Any) -> dict[str, Any]:
        return {"name": name, "password_hash": password_hash(password), "hashing_algorithm": SHA256, "tags": tags}

    def right(name: str, vhost: str) -> dict[str, str]:
        return {"user": name, "vhost": vhost, "configure": ".*", "write": ".*", "read": ".*"}

    return {
        "users": [user("seller", PASSWORD, []), user("stranger", "other-0123456789", ["monitoring"])],
        "vhosts": [{"name": "/"}, {"name": "shop"}, {"name": "theirs"}],
        "permissions": [right("seller", "shop"), right("stranger", "theirs"), right("stranger", "shop")],
        "policies": [
            {
                "vhost": "shop",
                "name": "limit",
                "pattern": "^log",
                "apply-to": "all",
                "priority": 0,
                "definition": {"max-length": 9},
            },
            {
                "vhost": "theirs",
                "name": "ha",
                "pattern": "",
                "apply-to": "queues",
                "priority": 1,
                "definition": {"expires": 5},
            },
        ],
    }
