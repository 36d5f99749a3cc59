"""Messages to the broker, which may be away."""
# ruff: noqa: D103  (the names of the tests say it)

from types import SimpleNamespace
from typing import Any

import pytest
from amqp.exceptions import AccessRefused
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


@pytest.fixture
def broker(scaggr: SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> Broker:
    return Broker(scaggr.broker, monkeypatch)


def test_a_connection_is_kept(scaggr: SimpleNamespace, broker: Broker) -> None:
    for task in "abc":
        scaggr.broker.publish(task)
    assert broker.sent == ["a", "b", "c"]
    assert len(broker.connections) == 1


@pytest.mark.parametrize("noticed", [True, False])
def test_a_message_survives_a_connection_that_died_unused(
    scaggr: SimpleNamespace, broker: Broker, noticed: bool
) -> None:
    scaggr.broker.publish("a")
    broker.connections[0].connected = not noticed
    broker.connections[0].trouble = ConnectionResetError()
    scaggr.broker.publish("b")
    scaggr.broker.publish("c")
    assert broker.sent == ["a", "b", "c"]
    assert len(broker.connections) == 2
    assert not broker.connections[0].connected


def test_a_broker_that_does_not_answer_is_not_asked_twice(scaggr: SimpleNamespace, broker: Broker) -> None:
    scaggr.broker.publish("a")
    broker.connections[0].trouble = TimeoutError()
    with pytest.raises(OperationalError):
        scaggr.broker.publish("b")
    assert len(broker.connections) == 1
    scaggr.broker.publish("c")
    assert broker.sent == ["a", "c"]


@pytest.mark.parametrize("trouble", [ConnectionRefusedError(), OperationalError(), AccessRefused(), TimeoutError()])
def test_an_upload_does_without_the_broker(scaggr: SimpleNamespace, broker: Broker, trouble: Exception) -> None:
    broker.away = trouble
    assert scaggr.scans.request_dispatch("run") is False
    broker.away = None
    assert scaggr.scans.request_dispatch("run") is True
    assert broker.sent == ["scaggr.dispatch"]
