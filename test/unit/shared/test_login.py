"""Logins at the broker that a highstate tries after a password was changed."""
# ruff: noqa: D103  (the names of the tests say it)

import importlib
from pathlib import Path
from typing import Any

import pytest
from amqp.exceptions import AccessRefused

BROKER = {"host": "127.0.0.1", "port": 5672, "vhost": "phage", "user": "user", "password": "p@ss/word"}


@pytest.mark.parametrize(
    ("trouble", "said"),
    [
        (None, ""),
        (AccessRefused("ACCESS_REFUSED - Login was refused"), "refused: ACCESS_REFUSED - Login was refused"),
        (ConnectionRefusedError(111, "Connection refused"), "[Errno 111] Connection refused"),
        (TimeoutError(), "TimeoutError"),
    ],
)
def test_what_a_broker_says_to_a_login(
    project: Path, monkeypatch: pytest.MonkeyPatch, trouble: Exception | None, said: str
) -> None:
    module = importlib.import_module("shared.login")

    def answer(*_args: Any, **_options: Any) -> None:
        if trouble:
            raise trouble

    monkeypatch.setattr(module.Connection, "connect", answer)
    assert module.said(BROKER) == said
