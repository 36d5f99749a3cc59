"""Many messages and one wait for the broker, which may be away."""

import importlib
from typing import Any

import pytest
from amqp.exceptions import MessageNacked

from sending import Broker


@pytest.fixture
def broker(as_master: Any, monkeypatch: pytest.MonkeyPatch) -> Broker:
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


def test_away(broker: Broker) -> None:
    """A broker that is away is tried once, and found when it is back."""
    broker.away = ConnectionRefusedError()
    assert broker.publish("a") == (set(), broker.away)
    broker.away = None
    assert broker.publish("b") == ({"b"}, None)
