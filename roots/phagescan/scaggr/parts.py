"""What is told of a part of a host: whether it does what it is for, and a line. Nothing of Django is imported here."""

import time
from collections.abc import Callable, Mapping
from typing import Any

from kombu import Connection

from scaggr.broker import BROKER_ERRORS, connect, trouble

TIMEOUT = 5.0
"""Seconds after which what does not answer is taken for broken, even on a busy host."""

Part = dict[str, Any]
"""`ok`: true, false, or None where it cannot be known; `said`: a line; `of`: the node whose log may say more."""


class PartError(Exception):
    """A part does not do what it is for; the message says what, in a line."""

    def __init__(self, said: str, of: str | None = None) -> None:
        """Take what is wrong, and the node that it is wrong with."""
        super().__init__(said)
        self.of = of


def look(probe: Callable[..., str], *arguments: Any) -> Part:
    """Ask how a part is."""
    try:
        return {"ok": True, "said": probe(*arguments)}
    except PartError as error:
        return {"ok": False, "said": str(error)} | ({"of": error.of} if error.of else {})


def unknown(why: str) -> Part:
    """Return what is told of a part that was not looked at, or whose fault is another's."""
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
