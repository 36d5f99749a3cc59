"""Pillar with one key set otherwise, and short names of keys."""

import copy
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[3]
REMOVED = object()
SECRET = "unit-secret-0123456789"
M, W = "rabbitmq:users:phagemasteruser", "rabbitmq:users:phageworkeruser"
SITE, CAM, NODE = "nginx:sites:phagescan", "supervisord:programs:celerycam", "celery:workers:celeryd"
URL, TLS = "phagescan:worker:master_url", "phagescan:tls"
BROKER, ZONE = "phagescan:broker:host", "phagescan:time_zone"
ALL = [".*", ".*", ".*"]
PATH = "must be an absolute path, without / at its end"
PROGRAM = ("command", "user", "directory", "environment", "logfile")
PASSWORD_KEYS = [
    "rabbitmq:users:phagemasteruser:password",
    "rabbitmq:users:phageworkeruser:password",
    "postgresql:roles:citestsuper:password",
    "phagescan:admin:password",
    "phagescan:secret_key",
]


def look_up(pillar: dict[str, Any], key: str, default: Any = None) -> Any:
    """What is at a key."""
    value: Any = pillar
    for part in key.split(":"):
        if not isinstance(value, dict) or part not in value:
            return default
        value = value[part]
    return value


def put(pillar: dict[str, Any], key: str, value: Any) -> dict[str, Any]:
    """A copy of a pillar with one key set, or removed."""
    pillar = there = copy.deepcopy(pillar)
    *path, last = key.split(":")
    for part in path:
        there = there.setdefault(part, {})
    there.pop(last, None) if value is REMOVED else there.update({last: value})
    return pillar
