"""Whose the broker on this host is, is known before it gets a login."""

import importlib
import os
import pwd
import socket
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest


@pytest.fixture
def transport(project: Path) -> Any:
    """The module."""
    return importlib.import_module("shared.transport")


@pytest.fixture(params=[("127.0.0.1", "127.0.0.1"), ("::1", "::1"), ("::", "127.0.0.1")])
def connected(request: pytest.FixtureRequest) -> Iterator[socket.socket]:
    """A connection that a process of this user has accepted, by IPv4, IPv6, and IPv4 where a server listens for
    both.
    """
    listen, host = request.param
    family = socket.AF_INET6 if ":" in listen else socket.AF_INET
    with (
        socket.create_server((listen, 0), family=family, dualstack_ipv6=listen == "::") as server,
        socket.create_connection((host, server.getsockname()[1])) as client,
        server.accept()[0],
    ):
        yield client


def test_other_end(transport: Any, connected: socket.socket) -> None:
    """It is this user's; another's is refused, by name."""
    assert transport.other_end(connected) == os.getuid()
    transport.verify(connected, pwd.getpwuid(os.getuid()).pw_name)
    stranger = next(user.pw_name for user in pwd.getpwall() if user.pw_uid != os.getuid())
    with pytest.raises(transport.StrangerError, match=f"is not {stranger}'s but user {os.getuid()}'s"):
        transport.verify(connected, stranger)


def test_elsewhere(transport: Any) -> None:
    """The other end of a connection to another host is not known here."""
    away = SimpleNamespace(
        family=socket.AF_INET, getpeername=lambda: ("192.0.2.1", 5672), getsockname=lambda: ("192.0.2.2", 1)
    )
    assert transport.other_end(away) is None


@pytest.mark.parametrize("owner", ["", "rabbitmq"])
def test_before_the_login(transport: Any, monkeypatch: pytest.MonkeyPatch, owner: str) -> None:
    """The server's first words are answered once the other end is known to be the owner's, where there is one."""
    done = []
    monkeypatch.setattr(transport, "verify", lambda _socket, owner: done.append(owner))
    monkeypatch.setattr(transport.pyamqp.Connection, "_on_start", lambda *_: done.append("login"))
    connection = transport.Connection(owner=owner)
    connection._transport = SimpleNamespace(sock=None)  # noqa: SLF001
    connection._on_start()  # noqa: SLF001
    assert done == ([owner, "login"] if owner else ["login"])


def test_celery_uses_it(transport: Any, project: Path) -> None:
    """By the very scheme of the broker's URL."""
    importlib.import_module("shared.celeryconf")
    kombu = importlib.import_module("kombu.transport")
    assert kombu.TRANSPORT_ALIASES["amqp"] == f"{transport.__name__}:Transport"
