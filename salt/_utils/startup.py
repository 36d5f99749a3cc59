"""What is late only because its services were started a moment ago is no fault, for as long as that may take."""

import time
from collections.abc import Callable
from typing import Any

BROKER, CAMERA = "rabbitmq-server", "supervisor"
# Where a host without systemd finds their processes; those of Celery are in a directory of their own.
PIDFILES = {BROKER: "/run/rabbitmq/pid", CAMERA: "/run/supervisord.pid"}


def spared(
    found: dict[str, dict[str, Any]], nodes: dict[str, str], services: Callable[..., dict[str, dict[str, Any]]]
) -> dict[str, dict[str, Any]]:
    """Parts with a `startup` that are no fault yet. `nodes` are Celery's on this host, and gunicorn, with their
    services.

    It counts from the last start of any service that the part depends on. One that systemd had to start again by itself
    has no such time: what ends again and again would always be new.
    """
    late = {name: part for name, part in found.items() if part["ok"] is False and part.get("startup")}
    units = {name: _needed(name, part["startup"]["nodes"], nodes) for name, part in late.items()}
    asked = dict.fromkeys(unit for needed in units.values() for unit in needed)
    known = services({unit: PIDFILES.get(unit, f"/run/{unit}/{unit}.pid") for unit in asked}) if asked else {}
    parts = {}
    for name, part in late.items():
        states = {unit: known[unit] for unit in units[name] if known[unit]["exists"]}
        if not states or not all(map(_started, states.values())):
            continue
        unit = max(states, key=lambda each: states[each]["since"])
        age, seconds = time.time() - states[unit]["since"], part["startup"]["seconds"]
        if 0 <= age < seconds:
            said = f"{unit} was started {age:.0f} s ago, and this may take {seconds:.0f} s: {part['said']}"
            parts[name] = {"ok": True, "said": said}
    return parts


def _needed(name: str, after: list[str], nodes: dict[str, str]) -> list[str]:
    """Services on this host that a part depends on."""
    others = {"web": [], "camera": [BROKER, CAMERA]}.get(name, [BROKER])
    return [nodes[node] for node in after if node in nodes] + others


def _started(state: dict[str, Any]) -> bool:
    """Whether a service runs, or is just being started, and has not ended by itself since."""
    return (state["running"] or state["starting"]) and not state["failures"]
