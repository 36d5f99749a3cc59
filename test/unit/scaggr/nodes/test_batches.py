"""Messages that are worked on many at a time."""

import json
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from celery.exceptions import Reject
from celery.worker import consumer, state


class Node:
    """A node whose pool and clock do what the test says."""

    def __init__(self, batches: Any) -> None:
        self.in_pool: list[SimpleNamespace] = []
        self.later: list[Callable[[], None]] = []
        self.events: list[tuple[str, str]] = []
        self.channel = SimpleNamespace(connection=object())
        consumer = SimpleNamespace(
            pool=SimpleNamespace(apply_async=self.apply_async, flush=None),
            timer=SimpleNamespace(call_after=self.call_after),
            controller=None,
            task_buckets={},
            connection_errors=(OSError,),
            event_dispatcher=SimpleNamespace(
                enabled=True, send=lambda kind, uuid, **_: self.events.append((kind, uuid))
            ),
        )
        self.ended: list[tuple[str, str]] = []
        self.consumer = consumer
        self.take = batches.strategy(SimpleNamespace(name="task"), None, consumer)

    def call_after(self, _: float, call: Callable[[], None]) -> object:
        """Note what is to be called later."""
        self.later.append(call)
        return call

    def pass_time(self) -> None:
        """Do what is due."""
        while self.later:
            self.later.pop(0)()

    def apply_async(self, _: Any, given: tuple[Any, ...], callback: Callable, error_callback: Callable) -> None:
        """Note a batch."""
        calls = [json.loads(text)[1]["id"] for text, _ in given[1]]
        self.in_pool.append(SimpleNamespace(calls=calls, succeed=lambda: callback(None), fail=error_callback))

    def send(self, *names: str, redelivered: bool = False, more: str = "") -> None:
        """Send messages."""
        for name in names:
            message = SimpleNamespace(
                body=json.dumps([[], {"id": name, "more": more}, {}]),
                delivery_info={"redelivered": redelivered},
                headers={"id": name},
                properties={"user_id": "login"},
                channel=self.channel,
            )
            self.take(
                message,
                None,
                lambda *_, name=name: self.ended.append((name, "ack")),
                lambda *_, requeue, name=name: self.ended.append((name, "back" if requeue else "dropped")),
                [],
            )


@pytest.fixture
def batches(scaggr_module: Callable[[str], Any]) -> Any:
    """The module."""
    return scaggr_module("nodes.batches")


@pytest.fixture
def node(batches: Any) -> Node:
    """A node that has just been connected."""
    return Node(batches)


def test_gathering(node: Node) -> None:
    """A message that comes alone goes alone; what comes meanwhile goes together, in order, and is acknowledged then."""
    node.send("a", "b")
    assert [batch.calls for batch in node.in_pool] == [["a"]]
    assert (len(state.reserved_requests), len(state.active_requests)) == (1, 0)
    node.in_pool[0].succeed()
    node.send("c")
    assert len(node.in_pool) == len(node.later) == 1
    node.pass_time()
    assert [batch.calls for batch in node.in_pool] == [["a"], ["b", "c"]]
    assert node.ended == [("a", "ack")]
    node.in_pool[1].succeed()
    assert node.ended == [(name, "ack") for name in "abc"]
    assert len(state.reserved_requests) == 0
    assert sorted(node.events) == [(f"task-{kind}", name) for kind in ("received", "succeeded") for name in "abc"]


def test_most(node: Node, batches: Any) -> None:
    """A batch has an end."""
    node.send("first", *map(str, range(batches.MOST + 1)))
    node.in_pool[0].succeed()
    node.in_pool[1].succeed()
    node.pass_time()
    assert [len(batch.calls) for batch in node.in_pool] == [1, batches.MOST, 1]


def test_back(node: Node) -> None:
    """A batch whose process was killed goes back to the queue after a pause, and the next begins then."""
    node.send("a", "b")
    node.in_pool[0].fail(RuntimeError("killed"))
    assert (node.ended, len(node.in_pool)) == ([], 1)
    node.pass_time()
    assert node.ended == [("a", "back")]
    node.pass_time()
    assert node.in_pool[1].calls == ["b"]


def test_lost_connection(node: Node) -> None:
    """What has gathered over a connection that is lost is left to the broker, which sends it again."""
    node.send("a", "b")
    node.channel.connection = None
    node.in_pool[0].succeed()
    assert (len(node.in_pool), node.later) == (1, [])


def test_lost_connection_meanwhile(node: Node) -> None:
    """A batch in the pool is nothing that Celery stumbles over, nor does one begin that was due."""
    node.send("a")
    consumer.Consumer.on_close(node.consumer)
    node.in_pool[0].succeed()
    node.send("b")
    node.channel.connection = None
    node.pass_time()
    assert len(node.in_pool) == 1


def test_came_back(node: Node) -> None:
    """A message that came back goes alone: its process may have ended by it, and no other's is to end again."""
    node.send("first")
    node.send("a", "b")
    node.send("back", redelivered=True)
    node.send("c")
    for number in range(4):
        node.in_pool[number].succeed()
        node.pass_time()
    assert [batch.calls for batch in node.in_pool] == [["first"], ["a", "b"], ["back"], ["c"]]


def test_long(node: Node, batches: Any) -> None:
    """Long messages do not gather without end."""
    node.send("first")
    node.send(*"abc", more="x" * (batches.LONGEST // 2))
    for number in range(3):
        node.in_pool[number].succeed()
        node.pass_time()
    assert [batch.calls for batch in node.in_pool] == [["first"], ["a"], ["b"], ["c"]]


class Failing:
    """A task that fails where it is asked to."""

    def __init__(self, batches: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        self.done: list[str] = []
        self.perform = batches.perform
        monkeypatch.setitem(batches.app.tasks, "task", self)

    def run(self, calls: list[Any]) -> None:
        """Do what is asked."""
        for call in calls:
            if call.kwargs.get("away"):
                raise Reject("away", requeue=True)
            if call.kwargs.get("wrong"):
                raise ValueError("wrong")
        self.done += [call.kwargs["id"] for call in calls]


@pytest.fixture
def failing(batches: Any, monkeypatch: pytest.MonkeyPatch) -> Failing:
    """The task."""
    return Failing(batches, monkeypatch)


@pytest.mark.parametrize("bad", ['[[], {"wrong": true}, {}]', "[" * 100_000, "{}", "[[], {}]"])
def test_bad_message(failing: Failing, bad: str, caplog: pytest.LogCaptureFixture) -> None:
    """A message that is of no use costs itself, and those that came with it are worked on."""
    good = [(json.dumps([[], {"id": name}, {}]), "login") for name in "ab"]
    failing.perform("task", [good[0], (bad, "login"), good[1]])
    assert failing.done == ["a", "b"]
    assert "task failed" in caplog.text or "is of no use" in caplog.text


def test_away(failing: Failing) -> None:
    """Only Reject sends messages back: another error would come again and again with them."""
    with pytest.raises(Reject):
        failing.perform("task", [('[[], {"away": true}, {}]', None)])
