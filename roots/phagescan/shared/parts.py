"""What is reported of a part of a host: whether it does what it is for, and a line."""

import time
from collections.abc import Callable, Mapping
from typing import Any

from kombu import Connection

from shared.broker import BROKER_ERRORS, connect, trouble

TIMEOUT = 5.0
"""Seconds after which what does not answer is taken for broken, even on a busy host."""

Part = dict[str, Any]
"""`ok`: true, false, or None where it cannot be known; `degraded`: it does what it is for, though not as it should, and
that is `said`: a line; `of`: the node whose log may say more.

`startup`: `seconds` after the start of these `nodes` within which it is no fault, as what is missing is not due before.
"""


class DegradedError(Exception):
    """A part does what it is for, though not as it should; the message says what is amiss, in a line."""


class PartError(Exception):
    """A part does not do what it is for; the message says what, in a line."""

    def __init__(self, said: str, of: str | None = None, startup: dict[str, Any] | None = None) -> None:
        """Take what is wrong, the node that it is wrong with, and how long after a start it is to be expected."""
        super().__init__(said)
        self.of = of
        self.startup = startup


def look(probe: Callable[..., str], *arguments: Any) -> Part:
    """Ask how a part is."""
    try:
        return {"ok": True, "said": probe(*arguments)}
    except DegradedError as error:
        return degraded(str(error))
    except PartError as error:
        more = {"of": error.of, "startup": error.startup}
        return {"ok": False, "said": str(error)} | {name: value for name, value in more.items() if value}


def degraded(said: str) -> Part:
    """Return what is reported of a part that does what it is for, though not as it should."""
    return {"ok": True, "degraded": True, "said": said}


def startup(seconds: float, *nodes: str) -> dict[str, Any]:
    """Return for how long after a start of these nodes something is no fault."""
    return {"seconds": seconds, "nodes": list(nodes)}


def unknown(why: str) -> Part:
    """Return what is reported of a part that was not looked at, or whose fault is another's."""
    return {"ok": None, "said": f"not known: {why}"}


def excuse(parts: dict[str, Part], name: str, why: str) -> None:
    """Take the blame from a part that another explains."""
    if parts[name]["ok"] is False:
        parts[name] = unknown(why)


def log_in(conf: Mapping[str, Any]) -> tuple[Connection, str]:
    """Return a connection with the login of a BROKER_CONF, and what is said of it."""
    begin = time.perf_counter()
    try:
        connection = connect(TIMEOUT, TIMEOUT)
    except BROKER_ERRORS as error:
        raise PartError(trouble(error, conf)) from error
    took = (time.perf_counter() - begin) * 1000
    return connection, f"{conf['user']} logged in at {conf['host']}:{conf['port']} in {took:.0f} ms"
