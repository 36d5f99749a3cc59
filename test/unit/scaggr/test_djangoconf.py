"""Database sessions of the master's nodes."""

import importlib
import socket
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import psycopg
import pytest
from celery import signals


class Database:
    """A server that counts the sessions which are opened."""

    def __init__(self) -> None:
        self.opened = 0
        self.alive = True
        self.fixup: Any = None

    def open(self, _: Any) -> SimpleNamespace:
        """Open a session."""
        self.opened += 1
        self.alive = True
        return SimpleNamespace(close=lambda: None, fileno=lambda: -1)


class Sender:
    """A task that a message asked for, or a worker."""

    request = SimpleNamespace(is_eager=False)
    app = None


@pytest.fixture
def database(scaggr: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Database]:
    """The server, and a node of the master with Celery's own care for Django."""
    connections = importlib.import_module("django.db").connections
    base = type(connections["default"])
    server = Database()
    monkeypatch.setattr("django.db.backends.base.base.connection_created", SimpleNamespace(send=lambda **_: None))
    monkeypatch.setattr(base, "get_new_connection", server.open)
    monkeypatch.setattr(base, "init_connection_state", lambda _: None)
    monkeypatch.setattr(base, "_set_autocommit", lambda *_: None)
    monkeypatch.setattr(base, "create_cursor", lambda *_: SimpleNamespace(close=lambda: None))
    monkeypatch.setattr(base, "is_usable", lambda _: server.alive)
    app = importlib.import_module("shared.app").app
    server.fixup = importlib.import_module("celery.fixups.django").DjangoWorkerFixup(app).install()
    yield server
    connections.close_all()


def run(count: int) -> None:
    """Run tasks, each of which asks the database for something."""
    connection = importlib.import_module("django.db").connection
    sender = Sender()
    for _ in range(count):
        signals.task_prerun.send(sender=sender)
        connection.cursor()
        signals.task_postrun.send(sender=sender)


def test_tasks_share_a_session(database: Database) -> None:
    """However many tasks a process runs, and however long that takes, it has one session."""
    run(3)
    assert importlib.import_module("django.db").connection.close_at is None
    run(3)
    assert database.opened == 1


def test_a_server_that_was_away(database: Database) -> None:
    """The next task has a new session, whether the last one has noticed or not; and keeps that."""
    run(2)
    database.alive = False
    run(2)
    assert database.opened == 2
    connection = importlib.import_module("django.db").connection
    connection.errors_occurred, database.alive = True, False
    run(2)
    assert database.opened == 3


@pytest.mark.parametrize("begins", ["worker_init", "beat_embedded_init", "worker_process_init"])
def test_processes_share_no_session(database: Database, begins: str) -> None:
    """A process that begins drops what it has from its parent."""
    run(1)
    getattr(signals, begins).send(sender=Sender())
    run(1)
    assert database.opened == 2


@pytest.mark.parametrize("node", ["master", "results", "periodic"])
def test_every_node_keeps_its_sessions(scaggr: Any, node: str) -> None:
    """Celery reads it in the configuration of each."""
    assert importlib.import_module(f"{node}celeryconfig").CELERY_DB_REUSE_MAX > 10**9


class LostError(psycopg.Error):
    """What libpq raises of a session that it knows to be lost."""


class Lost:
    """Such a session."""

    @property
    def socket(self) -> int:
        """Have none."""
        raise LostError


@pytest.mark.parametrize(
    ("closed", "said", "usable"), [(True, False, False), (False, False, True), (False, True, False)]
)
def test_session(scaggr: Any, closed: bool, said: bool, usable: bool) -> None:
    """A session is asked only where its server has said something; one that is known to be lost is none."""

    def ask() -> None:
        raise LostError

    wrapper: Any = type(importlib.import_module("django.db").connections["default"])
    ours, theirs = socket.socketpair()
    with ours, theirs:
        if said:
            theirs.send(b"x")
        session = wrapper.__new__(wrapper)
        pgconn = Lost() if closed else SimpleNamespace(socket=ours.fileno())
        session.connection = SimpleNamespace(closed=closed, pgconn=pgconn, cursor=ask)
        assert session.is_usable() is usable
