"""Messages to the broker, which may be away."""
# ruff: noqa: D103  (the names of the tests say it)

import importlib
from pathlib import Path
from typing import Any

import pytest
from kombu.exceptions import OperationalError

from sending import Broker


@pytest.fixture
def module(as_master: Path) -> Any:
    return importlib.import_module("shared.broker")


@pytest.fixture
def broker(module: Any, monkeypatch: pytest.MonkeyPatch) -> Broker:
    return Broker(module, monkeypatch)


def test_a_connection_is_kept(module: Any, broker: Broker) -> None:
    for task in "abc":
        module.publish(task)
    assert broker.sent == ["a", "b", "c"]
    assert len(broker.connections) == 1


@pytest.mark.parametrize("noticed", [True, False])
def test_a_message_survives_a_connection_that_died_unused(module: Any, broker: Broker, noticed: bool) -> None:
    module.publish("a")
    broker.connections[0].connected = not noticed
    broker.connections[0].trouble = ConnectionResetError()
    module.publish("b")
    module.publish("c")
    assert broker.sent == ["a", "b", "c"]
    assert len(broker.connections) == 2
    assert not broker.connections[0].connected


def test_a_broker_that_does_not_answer_is_not_asked_twice(module: Any, broker: Broker) -> None:
    module.publish("a")
    broker.connections[0].trouble = TimeoutError()
    with pytest.raises(OperationalError):
        module.publish("b")
    assert len(broker.connections) == 1
    module.publish("c")
    assert broker.sent == ["a", "c"]
