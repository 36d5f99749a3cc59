"""Logins that a highstate tries after a password was changed."""
# ruff: noqa: D103  (the names of the tests say it)

import importlib
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psycopg
import pytest
from amqp.exceptions import AccessRefused

REFUSED = 'connection failed: FATAL: password authentication failed for user "user"'
GERMAN = "connection failed: FATAL: Passwort-Authentifizierung für Benutzer »user« fehlgeschlagen"
TOO_MANY = "connection failed: FATAL: sorry, too many clients already"
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
    project: Path, monkeypatch: pytest.MonkeyPatch, kind: str, trouble: Exception | None, said: str
) -> None:
    module = importlib.import_module("scaggr.login")

    def answer(*_args: Any, **_options: Any) -> SimpleNamespace:
        if trouble:
            raise trouble
        return SimpleNamespace(close=lambda: None)

    monkeypatch.setattr(module.Connection, "connect", answer)
    monkeypatch.setattr(module.psycopg, "connect", answer)
    assert module.said(kind, BROKER if kind == "broker" else DATABASE) == said
