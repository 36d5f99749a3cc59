"""Django's login at the database, whose password changes while processes run."""
# ruff: noqa: D103  (the names of the tests say it)

import importlib
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psycopg
import pytest

REFUSED = 'connection failed: FATAL: password authentication failed for user "user"'


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
def connect(project: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[Server], str]:
    """Connects to a server by the backend, which knows the password `old`."""
    module = importlib.import_module("scaggr.database.base")
    clock = [0.0]

    def sleep(seconds: float) -> None:
        clock[0] += seconds

    def to(server: Server) -> str:
        monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: clock[0], sleep=sleep))
        monkeypatch.setattr(module, "load", server.load)
        monkeypatch.setattr(
            module.base.DatabaseWrapper, "get_new_connection", lambda _, params: server.connect(**params)
        )
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
