"""State of one program under supervisord, spoken to on its socket: no supervisorctl to start, no other program
touched.
"""

import base64
import configparser
import contextlib
import http.client
import socket
import time
import xmlrpc.client
from collections.abc import Callable
from typing import Any

# Set by Salt's loader.
__low__: dict[str, Any]
__lowstate__: list[dict[str, Any]]
__opts__: dict[str, Any]
__utils__: dict[str, Callable[..., Any]]

CONFIGURATION = "/etc/supervisor/supervisord.conf"
SOCKET = "/run/supervisor.sock"  # Debian's
BAD_NAME = 10  # supervisor.xmlrpc.Faults


class _Connection(http.client.HTTPConnection):
    """To the socket, which a supervisord just started takes a moment to open."""

    def connect(self) -> None:
        path = _listens()["file"]
        last = time.monotonic() + (0 if __opts__["test"] else 15)
        while True:
            self.sock = socket.socket(socket.AF_UNIX)
            self.sock.settimeout(self.timeout)
            try:
                return self.sock.connect(path)
            except OSError:
                self.sock.close()
                if time.monotonic() >= last:
                    raise
                time.sleep(0.1)


class _Transport(xmlrpc.client.Transport):
    def make_connection(self, host: Any) -> http.client.HTTPConnection:
        return _Connection("localhost", timeout=60)


def running(name: str) -> dict[str, Any]:
    """Program `name` runs, with the configuration and the files it watches as they are now."""
    newest, path = __utils__["freshness.newest_watched"](__low__, __lowstate__)
    try:
        server = _server()
        info = _info(server, name)
        up = info and info["statename"] in ("RUNNING", "STARTING")
        changes = {"reads": path if info and newest > info["start"] + 1 else ""}  # whole seconds
        actions = __utils__["freshness.decide"]({"running": up, "enabled": True}, changes)
        if not actions:
            return __utils__["results.clean"](name, f"{name} is running.")
        why = actions.get("restart") or (
            f"it was {info['statename'].lower()}" if info else "supervisord did not know it"
        )
        if __opts__["test"]:
            return __utils__["results.pending"](name, {name: why}, f"{name} would be restarted: {why}.")
        _restart(server, name)
    except (OSError, xmlrpc.client.Error) as error:
        if __opts__["test"]:
            return __utils__["results.pending"](name, {name: "to be started"}, f"{name} would be started.")
        reason = f"{getattr(error, 'faultString', error)} {_last_words(name)}".strip()
        return __utils__["results.failed"](name, f"supervisord could not start {name}: {reason}")
    return __utils__["results.changed"](name, {name: why}, f"{name} was restarted: {why}.")


def mod_watch(name: str, **_kwargs: Any) -> dict[str, Any]:
    """What a preview says of a file that is yet to change; the run itself finds the changed file by its time."""
    if not __opts__["test"]:
        return __utils__["results.clean"](name, f"{name} is running.")
    return __utils__["results.pending"](name, {name: "restart"}, f"{name} would be restarted.")


def _listens() -> dict[str, str]:
    """Where supervisord listens, and the login that it asks for, as its configuration says."""
    given = configparser.RawConfigParser(strict=False, inline_comment_prefixes=(";",))
    with contextlib.suppress(configparser.Error, UnicodeError):  # with which supervisord does not start, and says why
        given.read(CONFIGURATION, encoding="utf-8")
    return {"file": SOCKET, **(dict(given.items("unix_http_server")) if given.has_section("unix_http_server") else {})}


def _server() -> Any:
    place, headers = _listens(), []
    if "username" in place:  # not in the address, which errors show
        login = base64.b64encode(f"{place['username']}:{place.get('password', '')}".encode()).decode()
        headers.append(("Authorization", f"Basic {login}"))
    return xmlrpc.client.ServerProxy("http://supervisor", transport=_Transport(headers=headers)).supervisor


def _info(server: Any, name: str) -> dict[str, Any] | None:
    try:
        return server.getProcessInfo(name)
    except xmlrpc.client.Fault as fault:
        if fault.faultCode == BAD_NAME:
            return None
        raise


def _last_words(name: str) -> str:
    """What supervisord and the program have said last."""
    with contextlib.suppress(OSError, xmlrpc.client.Error):
        info = _info(_server(), name) or {}
        lines = __utils__["programs.tail"](info.get("stdout_logfile", ""))
        return " ".join([info.get("spawnerr", ""), *lines]).strip()
    return ""


def _restart(server: Any, name: str) -> None:
    server.reloadConfig()  # reads the files; only what is added below takes effect
    if info := _info(server, name):
        if info["statename"] in ("RUNNING", "STARTING", "BACKOFF"):
            server.stopProcess(name)
        server.removeProcessGroup(name)
    server.addProcessGroup(name)
    info = _info(server, name)
    if not info or info["statename"] not in ("RUNNING", "STARTING"):
        server.startProcess(name)
