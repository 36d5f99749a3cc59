"""A broker for what sends messages."""

from collections import defaultdict
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest


class Broker:
    """Stands for a broker: connections that confirm what they are sent until they are to fail."""

    def __init__(self, module: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        self.module = module
        self.sent: list[str] = []
        self.tasks: list[str] = []
        self.connections: list[SimpleNamespace] = []
        self.away: Exception | None = None
        self.trouble: list[Exception] = []
        self.confirm: Callable[[Any, int], None] = lambda channel, tag: self.ack(channel, tag, multiple=True)
        monkeypatch.setattr(module.kept, "sender", None, raising=False)
        monkeypatch.setattr(module, "connect", self.connect)
        monkeypatch.setattr(module.app, "send_task", self.send_task)
        monkeypatch.setattr(module.app.amqp, "Producer", lambda channel, **_: channel)

    def connect(self, *_: float, **options: Any) -> SimpleNamespace:
        """Stand for the function of that name."""
        assert options == {"confirm_publish": False}
        if self.away:
            raise self.away
        channel = SimpleNamespace(confirm_select=lambda: None, events=defaultdict(set), tag=0)
        connection = SimpleNamespace(channel=lambda: channel, collect=lambda: None)
        connection.drain_events = lambda timeout: self.confirm(channel, channel.tag)
        self.connections.append(connection)
        return connection

    def ack(self, channel: Any, tag: int, multiple: bool) -> None:
        """Confirm."""
        for call in channel.events["basic_ack"]:
            call(tag, multiple)

    def send_task(self, task: str, producer: Any, task_id: str, **__: Any) -> None:
        """Stand for Celery's."""
        if self.trouble:
            raise self.trouble.pop()
        producer.tag += 1
        self.sent.append(task_id)
        self.tasks.append(task)

    def publish(self, *names: str) -> tuple[set[str], Exception | None]:
        """Send messages."""
        message = self.module.Message
        return self.module.publish_all([message("task", {}, None, 1.0, name) for name in names])
