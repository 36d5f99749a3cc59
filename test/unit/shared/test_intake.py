"""What a node takes from its queue, whatever a worker may have put there."""
# ruff: noqa: D103  (the names of the tests say it)

import importlib
import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from celery import Celery
from celery.contrib.testing.worker import start_worker
from celery.exceptions import Reject
from kombu import Connection
from kombu.transport.virtual.base import Transport

STOCK = "celery.worker.consumer:Consumer"
OURS = "shared.intake:Consumer"


class Node:
    """A node whose queue anybody may write to."""

    def __init__(self, app: Celery) -> None:
        self.app = app
        self.ran: list[str] = []
        self.connection: Connection = app.connection_for_write()

    def run(self, what: str, fail: bool = False, reject: bool = False) -> None:
        """Do the node's one task."""
        self.ran.append(what)
        if fail:
            raise ValueError(what)
        if reject:
            raise Reject(what, requeue=False)

    def send(self, body: Any, serializer: str = "json", **headers: Any) -> None:
        """Put a message into the node's queue."""
        self.connection.Producer().publish(body, routing_key="own", serializer=serializer, headers=headers)

    def call(self, what: str, embed: Any = None, more: Any = None, **headers: Any) -> None:
        """Call the task, and ask for something besides."""
        self.send([[what], more or {}, embed or {}], **({"task": "own", "id": what} | headers))

    def wait_for(self, what: str) -> None:
        """Wait until a call was carried out, and with it all that were sent before: there is one process."""
        self.call(what)
        deadline = time.monotonic() + 20
        while what not in self.ran:
            assert time.monotonic() < deadline, f"{what} was not carried out"
            time.sleep(0.02)

    def waiting(self, queue: str) -> int:
        """Count the messages of a queue."""
        with self.connection.channel() as channel:
            return channel.queue_declare(queue).message_count


@pytest.fixture
def node(request: pytest.FixtureRequest, project: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Node]:
    """A running node, with the consumer that the test names or ours."""
    app = Celery("node", broker="memory://", set_as_current=False)
    app.conf.update(
        worker_consumer=getattr(request, "param", OURS),
        task_default_queue="own",
        imports=["node_tasks"],
        accept_content=["json"],
        task_acks_late=True,
        task_ignore_result=True,
        worker_hijack_root_logger=False,
    )
    module = ModuleType("node_tasks")
    monkeypatch.setitem(sys.modules, "node_tasks", module)
    node = Node(app)

    def own(what: str, **trouble: bool) -> None:
        node.run(what, **trouble)

    own.__module__ = "node_tasks"
    app.task(own, name="own", shared=False)
    drain = Transport.drain_events
    # An idle node looks every 2 s whether it is to end.
    monkeypatch.setattr(
        Transport, "drain_events", lambda self, connection, timeout: drain(self, connection, timeout / 50)
    )
    with start_worker(app, perform_ping_check=False, without_heartbeat=True, pool="solo", loglevel="CRITICAL"):
        yield node
    node.connection.release()


def further(queue: str) -> dict[str, Any]:
    """Return a task as callbacks name it."""
    return {"task": "x", "args": [], "kwargs": {}, "options": {"queue": queue}, "subtask_type": None, "immutable": True}


@pytest.mark.parametrize(
    ("node", "obeys"), [pytest.param(STOCK, True, id="stock"), pytest.param(OURS, False, id="ours")], indirect=["node"]
)
def test_a_message_makes_a_node_send_nothing(node: Node, obeys: bool) -> None:
    """Celery as it is shows that these messages are what they are meant to be."""
    key = "obeyed" if obeys else "refused"
    ways = [f"{key}{number}" for number in range(9)]
    node.call("callback", {"callbacks": [further(ways[0])]})
    node.call("chain", {"chain": [further(ways[1])]})
    node.call("errback", {"errbacks": [further(ways[2])]}, {"fail": True})
    node.call("callback header", callbacks=[further(ways[3])], id="h1")
    node.call("chain header", chain=[further(ways[4])], id="h2")
    node.call("errback header", more={"fail": True}, errbacks=[further(ways[5])], id="h3")
    node.call("rejected", {"errbacks": [further(ways[6])]}, {"reject": True})
    node.send([[[further(ways[7])], [["group", None], []], "group", []], {}, {}], task="celery.group", id="group")
    node.send({"task": "own", "id": "old", "args": ["old protocol"], "kwargs": {}, "callbacks": [further(ways[8])]})
    node.wait_for("last")
    assert [way for way in ways if node.waiting(way)] == (ways if obeys else [])
    calls = ["callback", "chain", "errback", "callback header", "chain header", "errback header", "rejected"]
    assert node.ran == [*calls, *["old protocol"][: int(obeys)], "last"]


def test_no_message_stops_a_node(node: Node) -> None:
    node.call("no such task", task="celery.backend_cleanup")
    node.call("no text", task=["own"])
    node.call("no id", id=None)
    node.call("a strange id", id="a\nb")
    odd: list[Any] = ["text", {"x": 1}, [], [[], {}], [[], [], {}], [{}, {}, {}], 7, None]
    for body in odd:
        node.send(body, task="own", id="body")
    node.send({"x": 1}, serializer="pickle", task="own", id="pickle")
    node.connection.Producer().publish(
        "[" * 100_000,
        routing_key="own",
        content_type="application/json",
        content_encoding="utf-8",
        headers={"task": "own", "id": "deep"},
    )
    node.call("later", eta="2999-01-01T00:00:00+00:00", timelimit=[0.001, 0.001], retries="x", id="e2")
    node.wait_for("last")
    assert node.ran == ["later", "last"]
    assert node.waiting("own") == 0


@pytest.mark.parametrize(
    ("node", "ran"),
    [pytest.param(STOCK, [], id="stock"), pytest.param(OURS, ["expired", "odd"], id="ours")],
    indirect=["node"],
)
def test_no_message_is_too_late_by_the_clock_of_a_node(node: Node, ran: list[str]) -> None:
    """A node whose clock is ahead would drop in silence what is to be done, as Celery does by itself."""
    # Celery remembers by its id, in the process, what it has dropped.
    node.call("expired", expires="1999-01-01T00:00:00+00:00", id=f"expired-{len(ran)}")
    node.call("odd", expires="x", id="odd")
    node.wait_for("last")
    assert node.ran == [*ran, "last"]


def test_a_message_keeps_what_beat_says(project: Path) -> None:
    intake = importlib.import_module("shared.intake")
    kombu = importlib.import_module("kombu")
    message = kombu.Message(
        body=json.dumps([["a"], {"b": 1}, {"chain": [1]}]),
        content_type="application/json",
        content_encoding="utf-8",
        headers={"task": "own", "id": "a-1", "beat": {"number": 1}, "shadow": "b", "expires": "x"},
        properties={"reply_to": "x", "user_id": "worker", "timestamp": 7},
    )
    intake.strip(message, {"own"})
    assert message.decode() == [["a"], {"b": 1}, {}]
    assert message.headers == {"task": "own", "id": "a-1", "beat": {"number": 1}}
    assert message.properties == {"user_id": "worker", "timestamp": 7}


def test_events_go_together(project: Path) -> None:
    consumer_class = importlib.import_module("shared.intake").Consumer
    consumer, later = consumer_class.__new__(consumer_class), []
    consumer.hub, consumer.events_sent_by = object(), 0.0
    consumer.timer = SimpleNamespace(call_after=lambda _, call: later.append(call))
    for _ in range(3):
        consumer.on_send_event_buffered()
    assert later == [consumer._flush_events]
