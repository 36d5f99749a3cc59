"""The application's login at the broker: that of a settings file, and whether the broker takes it."""

import json
import pathlib
import tomllib
from collections.abc import Callable
from typing import Any

from salt.exceptions import CommandExecutionError


def read(path: str) -> dict[str, Any]:
    """Table `broker` of a settings file of the application; empty where there is no file."""
    try:
        settings = tomllib.loads(pathlib.Path(path).read_text())
    except (OSError, ValueError):
        return {}
    login = settings.get("broker")
    if not isinstance(login, dict):
        return {}
    return {**login, "ca_certs": settings["ca_certs"]} if "ca_certs" in settings else login


def answers(tried: list[dict[str, Any]], python: Callable[..., Any]) -> list[str]:
    """Try logins, as `read` has them, over the network, as the application does; `python` runs its Python.

    Returns what the broker said to each: `refused: ...`, another trouble, or "" where it was let in.
    """
    done = python("-m", "shared.login", stdin=json.dumps(tried))
    if done.returncode:
        raise CommandExecutionError(f"python -m shared.login: {' '.join(done.stderr.split())[-500:]}")
    return json.loads(done.stdout)
