"""Logins whose passwords change while processes run: Django's at the database, and those that a highstate tries."""
# ruff: noqa: D103  (the names of the tests say it)

import importlib
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import psycopg
import pytest
from amqp.exceptions import AccessRefused

PROJECT = Path(__file__).parents[2] / "roots" / "phagescan"
REFUSED = 'connection failed: FATAL: password authentication failed for user "user"'
GERMAN = "connection failed: FATAL: Passwort-Authentifizierung für Benutzer »user« fehlgeschlagen"
TOO_MANY = "connection failed: FATAL: sorry, too many clients already"


def load(monkeypatch: pytest.MonkeyPatch, name: str) -> ModuleType:
    monkeypatch.syspath_prepend(str(PROJECT))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    return importlib.import_module(name)


class Server:
    """Stands for the database: knows one password, and what becomes of the settings after each refusal."""

    OperationalError = psycopg.OperationalError

    def __init__(self, password: str, *settings: str, trouble: str = REFUSED) -> None:
        self.password, self.settings, self.trouble = password, list(settings), trouble
        self.tried: list[str] = []

    def connect(self, **params: Any) -> str:
        """Let in, or not."""
        self.tried.append(params["password"])
        if params["password"] != self.password:
            raise self.OperationalError(self.trouble)
        return f"connection of {params['user']} to {params['dbname']}"

    def load(self, _name: str) -> dict[str, Any]:
        """Read the settings."""
        password = self.settings.pop(0) if len(self.settings) > 1 else self.settings[0]
        return {"database": {"user": "user", "password": password}}


@pytest.fixture
def connect(monkeypatch: pytest.MonkeyPatch) -> Callable[[Server], str]:
    """Connects to a server by the backend, which knows the password `old`."""
    module = load(monkeypatch, "scaggr.database.base")
    clock = [0.0]

    def sleep(seconds: float) -> None:
        clock[0] += seconds

    def to(server: Server) -> str:
        monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: clock[0], sleep=sleep))
        monkeypatch.setattr(module, "load", server.load)
        monkeypatch.setattr(module.base.DatabaseWrapper, "get_new_connection", lambda _, params: server.connect(**params))
        wrapper = module.DatabaseWrapper.__new__(module.DatabaseWrapper)
        return wrapper.get_new_connection({"user": "user", "password": "old", "dbname": "phage"})

    return to


def test_a_good_login_reads_no_settings(connect: Callable[[Server], str]) -> None:
    assert connect(Server("old")) == "connection of user to phage"


def test_a_refused_login_takes_the_password_that_the_settings_have_by_then(connect: Callable[[Server], str]) -> None:
    server = Server("new", "old", "old", "new")
    assert connect(server) == "connection of user to phage"
    assert server.tried == ["old", "old", "old", "new"]


def test_a_password_that_stays_wrong_is_not_tried_for_ever(connect: Callable[[Server], str]) -> None:
    server = Server("new", "old")
    with pytest.raises(psycopg.OperationalError, match="authentication failed"):
        connect(server)
    assert 10 < len(server.tried) < 100


def test_a_database_that_is_away_is_not_waited_for(connect: Callable[[Server], str]) -> None:
    server = Server("new", "new", trouble="connection refused")
    with pytest.raises(psycopg.OperationalError, match="connection refused"):
        connect(server)
    assert server.tried == ["old"]


BROKER = {"host": "127.0.0.1", "port": 5672, "vhost": "phage", "user": "user", "password": "p@ss/word"}
DATABASE = {"host": "127.0.0.1", "port": 5432, "name": "phage", "user": "user", "password": "password"}


@pytest.mark.parametrize(
    ("kind", "trouble", "said"),
    [
        ("broker", None, ""),
        ("broker", AccessRefused("ACCESS_REFUSED - Login was refused"), "refused: ACCESS_REFUSED - Login was refused"),
        ("broker", ConnectionRefusedError(111, "Connection refused"), "[Errno 111] Connection refused"),
        ("broker", TimeoutError(), "TimeoutError"),
        ("database", None, ""),
        ("database", psycopg.OperationalError(REFUSED), f"refused: {REFUSED}"),
        ("database", psycopg.OperationalError("no\nanswer"), "no answer"),
        ("database", psycopg.OperationalError(TOO_MANY), TOO_MANY),
        ("database", psycopg.OperationalError(GERMAN), GERMAN),
    ],
)
def test_what_a_server_says_to_a_login(
    monkeypatch: pytest.MonkeyPatch, kind: str, trouble: Exception | None, said: str
) -> None:
    module = load(monkeypatch, "scaggr.login")

    def answer(*_args: Any, **_options: Any) -> SimpleNamespace:
        if trouble:
            raise trouble
        return SimpleNamespace(close=lambda: None)

    monkeypatch.setattr(module.Connection, "connect", answer)
    monkeypatch.setattr(module.psycopg, "connect", answer)
    assert module.said(kind, BROKER if kind == "broker" else DATABASE) == said
