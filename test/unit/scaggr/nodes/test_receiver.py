"""What the camera takes from the events, whatever a worker may have put there."""
# ruff: noqa: D103  (the names of the tests say it)

import importlib
import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from celery import Celery
from celery.events.state import State


@pytest.fixture
def receiver(scaggr_module: Callable[[str], Any], monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    app = Celery("camera", broker="memory://", set_as_current=False)
    events = scaggr_module("nodes.receiver")
    monkeypatch.setattr(events, "heard_of", lambda _node, _login: True)
    state = State()
    with app.connection_for_read() as connection:
        receiver = events.Receiver(connection, handlers={"*": state.event}, app=app)
        receiver.state = state
        yield receiver


def test_the_master_receives_and_signs(scaggr_module: Callable[[str], Any]) -> None:
    events = scaggr_module("celery").app.events
    assert issubclass(events.Receiver, scaggr_module("nodes.receiver").Receiver)
    assert issubclass(events.Dispatcher, importlib.import_module("shared.events").Dispatcher)


GOOD = {"timestamp": 1.0, "utcoffset": 0, "clock": 5, "hostname": "node", "pid": 7}
ODD: list[Any] = [
    *(None, 7, "text", [], {}, {"type": None}, {"type": ["a"]}, {"type": "task-started"}),
    GOOD | {"type": "task-started", "uuid": ["a"]},
    GOOD | {"type": "task-started", "uuid": "odd", "clock": "x"},
    GOOD | {"type": "task-started", "uuid": "odd", "clock": None},
    GOOD | {"type": "task-started", "uuid": "odd", "timestamp": "x"},
    GOOD | {"type": "task-started", "uuid": "odd", "timestamp": 1e300},
    GOOD | {"type": "task-started", "uuid": "odd", "worker": "x", "children": 7, "cluster_state": 7},
    GOOD | {"type": "worker-heartbeat", "event": "x", "heartbeats": "x", "freq": "x"},
    GOOD | {"type": "worker-heartbeat", "alive": "x", "active": {}},
    GOOD | {"type": "worker-heartbeat", "hostname": {}},
]


def test_an_event_is_of_the_past(receiver: Any) -> None:
    for timestamp in (1e12, -1.0):
        receiver._receive(GOOD | {"type": "worker-heartbeat", "freq": 2.0, "timestamp": timestamp}, None)
    assert max(receiver.state.workers["node"].heartbeats) <= time.time()
    hours = GOOD | {"type": "task-received", "uuid": "far", "utcoffset": -9, "timestamp": 1000.0}
    receiver._receive(hours, None)
    assert receiver.state.tasks["far"].timestamp == 1000.0


def test_odd_events_cost_only_themselves(receiver: Any) -> None:
    for event in ODD:
        receiver._receive(event if isinstance(event, list) else json.loads(json.dumps(event)), None)
    receiver._receive([*ODD, GOOD | {"type": "task-received", "uuid": "good", "name": "n\0" + "x" * 9000}], None)
    receiver._receive(GOOD | {"type": "worker-heartbeat", "active": 3, "freq": 2.0, "clock": 9}, None)
    receiver._receive(GOOD | {"type": "task-succeeded", "uuid": "good", "runtime": 0.5, "clock": 10}, None)
    task, worker = receiver.state.tasks["good"], receiver.state.workers["node"]
    assert (task.state, task.runtime, task.worker) == ("SUCCESS", 0.5, worker)
    assert task.name == "n\ufffd" + "x" * 1998
    assert worker.active == 3
    assert worker.heartbeats
    assert worker.alive


@pytest.mark.parametrize(
    ("value", "kept"),
    [
        *((value, True) for value in (0, -1, 0.5, 2**53 - 1)),
        *((value, False) for value in (float("nan"), float("inf"), float("-inf"), 2**53, -(2**53), "1", None, [1])),
        pytest.param(10**400, False, id="huge"),
    ],
)
def test_what_is_a_number(scaggr_module: Callable[[str], Any], value: Any, kept: bool) -> None:
    assert scaggr_module("nodes.receiver").fit({"runtime": value, "args": 7}) == ({"runtime": value} if kept else {})
