"""Logins of the application at broker and database: those of a settings file, and whether servers take them."""

import json
import pathlib
import subprocess
import tomllib
from collections.abc import Callable
from typing import Any

from salt.exceptions import CommandExecutionError


def read(path: str) -> dict[str, dict[str, Any]]:
    """Tables `broker` and `database` of a settings file of the application; none where there is no file."""
    try:
        settings = tomllib.loads(pathlib.Path(path).read_text())
    except (OSError, ValueError):
        return {}
    found = {kind: settings[kind] for kind in ("broker", "database") if isinstance(settings.get(kind), dict)}
    if "ca_certs" in settings and "broker" in found:
        found["broker"]["ca_certs"] = settings["ca_certs"]
    return found


def answers(
    tried: list[tuple[str, dict[str, Any]]], python: Callable[..., subprocess.CompletedProcess[str]]
) -> list[str]:
    """Try logins (kind and table, as `read` has them) over the network, as the application does; `python` runs its
    Python.

    Returns what the servers said to each: `refused: ...`, another trouble, or "" where it was let in.
    """
    done = python("-m", "scaggr.login", stdin=json.dumps(tried))
    if done.returncode:
        raise CommandExecutionError(f"python -m scaggr.login: {' '.join(done.stderr.split())[-500:]}")
    return json.loads(done.stdout)
