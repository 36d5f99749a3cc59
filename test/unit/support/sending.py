"""A broker for what sends messages."""

from types import SimpleNamespace
from typing import Any

import pytest
from kombu.exceptions import OperationalError


class Broker:
    """Stands for the broker: connections that work until they are to fail."""

    def __init__(self, module: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        self.connections: list[SimpleNamespace] = []
        self.sent: list[str] = []
        self.away: Exception | None = None
        monkeypatch.setattr(module.kept, "connection", None, raising=False)
        monkeypatch.setattr(module, "connect", self.connect)
        monkeypatch.setattr(module.app, "send_task", self.send_task)

    def connect(self, *timeouts: float) -> SimpleNamespace:
        """Stand for the function of that name."""
        if self.away:
            raise self.away
        connection = SimpleNamespace(connected=True, trouble=None)
        connection.collect = lambda: setattr(connection, "connected", False)
        self.connections.append(connection)
        return connection

    def send_task(self, task: str, connection: SimpleNamespace, **options: Any) -> None:
        """Stand for Celery's."""
        assert options["retry"] is False
        if connection.trouble:
            raise OperationalError(str(connection.trouble)) from connection.trouble
        self.sent.append(task)
