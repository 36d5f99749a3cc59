"""What becomes of a scan: an answer, or an error that says why there is none; and how what is said is understood."""

import json
from dataclasses import dataclass, field
from typing import Any


class ChildError(Exception):
    """The process of an engine is of no more use; the message says why."""


class ChildTimeoutError(ChildError):
    """It did not answer in time."""


class EngineError(Exception):
    """The engine failed at what it was asked, and may well do better at the next; the message says how."""


class EngineTimeoutError(EngineError):
    """It took too long."""


@dataclass(frozen=True)
class Answer:
    """What became of a scan."""

    outcome: str
    name: str = ""
    error: str = ""
    engine_version: str = ""
    metadata: dict[str, str] = field(default_factory=dict)
    duration: float = 0.0


def understood(said: bytes | bytearray | str) -> dict[str, Any]:
    """Return the JSON object that something is; nothing when it is none."""
    try:
        values = json.loads(said)
    except (ValueError, RecursionError):
        return {}
    return values if isinstance(values, dict) else {}


def trouble(error: OSError) -> str:
    """Write what this host lacks, as the error of a verdict: neither the sample nor the engine is to blame."""
    return f"worker: {error.strerror or error}"


def text(value: object) -> str:
    """Make text of what a process says. A sample may have taken it over, and the database takes neither NUL nor
    surrogates.
    """
    return str(value).replace("\0", "\N{REPLACEMENT CHARACTER}").encode(errors="replace").decode()
