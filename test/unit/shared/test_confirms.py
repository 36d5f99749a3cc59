"""Many messages and one wait for the broker, which may be away."""

import importlib
from collections import defaultdict
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from amqp.exceptions import MessageNacked


class Broker:
    """Stands for a broker: connections that confirm what they are sent until they are to fail."""

    def __init__(self, module: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        self.module = module
        self.sent: list[str] = []
        self.connections: list[SimpleNamespace] = []
        self.trouble: list[Exception] = []
        self.confirm: Callable[[Any, int], None] = lambda channel, tag: self.ack(channel, tag, multiple=True)
        monkeypatch.setattr(module.kept, "sender", None, raising=False)
        monkeypatch.setattr(module, "connect", self.connect)
        monkeypatch.setattr(module.app, "send_task", self.send_task)
        monkeypatch.setattr(module.app.amqp, "Producer", lambda channel, **_: channel)

    def connect(self, *_: float, **options: Any) -> SimpleNamespace:
        """Stand for the function of that name."""
        assert options == {"confirm_publish": False}
        channel = SimpleNamespace(confirm_select=lambda: None, events=defaultdict(set), tag=0)
        connection = SimpleNamespace(channel=lambda: channel, collect=lambda: None)
        connection.drain_events = lambda timeout: self.confirm(channel, channel.tag)
        self.connections.append(connection)
        return connection

    def ack(self, channel: Any, tag: int, multiple: bool) -> None:
        """Confirm."""
        for call in channel.events["basic_ack"]:
            call(tag, multiple)

    def send_task(self, _: str, producer: Any, task_id: str, **__: Any) -> None:
        """Stand for Celery's."""
        if self.trouble:
            raise self.trouble.pop()
        producer.tag += 1
        self.sent.append(task_id)

    def publish(self, *names: str) -> tuple[set[str], Exception | None]:
        """Send messages."""
        message = self.module.Message
        return self.module.publish_all([message("task", name, {}, None, 1.0) for name in names])


@pytest.fixture
def broker(project: Any, monkeypatch: pytest.MonkeyPatch) -> Broker:
    """A broker that is there."""
    return Broker(importlib.import_module("shared.confirms"), monkeypatch)


def test_one_wait(broker: Broker) -> None:
    """Messages go out before the broker has confirmed any, and the connection is kept."""
    assert broker.publish() == (set(), None)
    assert broker.publish("a", "b", "c") == ({"a", "b", "c"}, None)
    assert broker.publish("d") == ({"d"}, None)
    assert (broker.sent, len(broker.connections)) == ([*"abcd"], 1)


def test_single_confirms(broker: Broker) -> None:
    """A broker may confirm each message by itself, in any order."""
    tags = iter((3, 1, 2))
    broker.confirm = lambda channel, _: broker.ack(channel, next(tags), multiple=False)
    assert broker.publish("a", "b", "c") == ({"a", "b", "c"}, None)


def test_stale(broker: Broker) -> None:
    """Over a kept connection that has died nothing is lost."""
    broker.publish("a")
    broker.trouble = [ConnectionResetError()]
    assert broker.publish("b", "c") == ({"b", "c"}, None)
    assert (broker.sent, len(broker.connections)) == (["a", "b", "c"], 2)


def test_some(broker: Broker) -> None:
    """It is known which messages a broker that went away has."""

    def confirm(channel: Any, tag: int) -> None:
        broker.ack(channel, 2, multiple=True)
        broker.confirm = refuse

    def refuse(*_: Any) -> None:
        raise TimeoutError

    broker.confirm = confirm
    sent, error = broker.publish("a", "b", "c")
    assert (sent, type(error)) == ({"a", "b"}, TimeoutError)
    assert len(broker.connections) == 1


def test_refused(broker: Broker) -> None:
    """What the broker could not keep is not there."""

    def nack(channel: Any, tag: int) -> None:
        for call in channel.events["basic_nack"]:
            call(tag, False)

    broker.confirm = nack
    sent, error = broker.publish("a")
    assert (sent, type(error)) == (set(), MessageNacked)
