"""The task of a worker: one sample, one engine, one verdict."""

import importlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from celery.exceptions import Reject


@pytest.fixture
def tasks(project: Path, fetch: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The module; what it sends ends up in `sent`."""
    module: Any = importlib.import_module("worker.tasks")
    module.sent = []
    monkeypatch.setattr(module.app, "send_task", lambda name, **options: module.sent.append((name, options)))
    monkeypatch.setattr(module, "PAUSE", 0.0)
    yield module
    for box in module.sandboxes.values():
        box.stop()


def test_a_process_of_the_pool_begins_with_its_engines(tasks: Any) -> None:
    """They load in their own time, before the first sample comes."""
    tasks.warm_up()
    assert set(tasks.sandboxes) == {"yara", "fileinfo"}
    pids = {name: box.child.process.pid for name, box in tasks.sandboxes.items()}
    tasks.warm_up()
    tasks.sandbox("yara").start()
    assert {name: box.child.process.pid for name, box in tasks.sandboxes.items()} == pids


def run(tasks: Any, engine: str, url: str) -> Any:
    """Run the task as the pool would."""
    tasks.CONF["scan"]["master_url"] = url
    tasks.scan.push_request(id="5c1c", hostname="scan@unit")
    try:
        return tasks.scan.run(engine=engine, signed="x")
    finally:
        tasks.scan.pop_request()


@pytest.mark.parametrize(("engine", "outcome"), [("yara", "clean"), ("fileinfo", "described")])
def test_the_task_sends_a_verdict(
    tasks: Any, server: Callable[..., SimpleNamespace], engine: str, outcome: str
) -> None:
    """To the exchange of the results, with everything that the collector wants, as JSON."""
    run(tasks, engine, server([(200, b"A text.\n")]).url)
    ((name, options),) = tasks.sent
    assert name == "scaggr.record"
    assert (options["exchange"], options["routing_key"], options["queue"].no_declare) == ("results", "results", True)
    kwargs = json.loads(json.dumps(options["kwargs"]))
    keys = {"verdict", "worker", "outcome", "name", "error", "engine_version", "metadata", "duration"}
    assert set(kwargs) == keys
    assert (kwargs["verdict"], kwargs["worker"], kwargs["outcome"]) == ("5c1c", "scan@unit", outcome)
    assert 0 < kwargs["duration"] < 30


def run_group(tasks: Any, url: str, **verdicts: str) -> list[dict[str, Any]]:
    """Run the task of a group as the pool would, and return what it reports."""
    tasks.CONF["scan"]["master_url"] = url
    tasks.scan_group.push_request(id="5c1c", hostname="scan@unit")
    try:
        tasks.scan_group.run(signed="x", verdicts=verdicts)
    finally:
        tasks.scan_group.pop_request()
    assert {name for name, _ in tasks.sent} <= {"scaggr.record_group"}
    return [json.loads(json.dumps(options["kwargs"])) for _, options in tasks.sent]


def test_a_group_is_fetched_once_and_answers_once(tasks: Any, server: Callable[..., SimpleNamespace]) -> None:
    """What this worker has no engine for is named, for the master to ask others."""
    master = server([(200, b"A text.\n")])
    (report,) = run_group(tasks, master.url, fileinfo="f1", yara="y1", clamav="c1")
    assert {verdict: answer["outcome"] for verdict, answer in report["answers"].items()} == {
        "f1": "described",
        "y1": "clean",
    }
    assert (report["worker"], report["unable"]) == ("scan@unit", ["c1"])
    assert len(master.headers) == 1


def test_what_a_worker_lacks_is_the_answer_of_each_engine(
    tasks: Any, fetch: Any, server: Callable[..., SimpleNamespace], monkeypatch: pytest.MonkeyPatch
) -> None:
    """And none of them is asked again."""
    monkeypatch.setattr(fetch.tempfile, "mkstemp", lambda **_: (_ for _ in ()).throw(OSError(28, "No space left")))
    (report,) = run_group(tasks, server([(200, b"A text.\n")]).url, fileinfo="f1", yara="y1")
    assert {answer["error"] for answer in report["answers"].values()} == {"worker: No space left"}
    assert report["unable"] == []


def test_long_answers_go_in_parts(tasks: Any) -> None:
    """Each far below what the broker takes; nothing is left out, and short ones go together."""
    answers = {str(number): {"metadata": {"a": "x" * (tasks.LONGEST // 2 - 100)}} for number in range(5)}
    parts = list(tasks.parts(answers | {"short": {}}))
    assert [len(part) for part in parts] == [2, 2, 2]
    assert {verdict: answer for part in parts for verdict, answer in part.items()} == answers | {"short": {}}
    assert list(tasks.parts({})) == [{}]


def test_the_task_ends_when_no_verdict_is_wanted(tasks: Any, server: Callable[..., SimpleNamespace]) -> None:
    """And sends nothing."""
    run(tasks, "yara", server([(204, b"")]).url)
    assert tasks.sent == []


def test_each_delivery_of_a_task_has_a_number(tasks: Any, server: Callable[..., SimpleNamespace]) -> None:
    """Which it keeps when it has to ask again."""
    master = server([(503, b""), (204, b"")])
    run(tasks, "yara", master.url)
    run(tasks, "yara", master.url)
    first, same, other = (delivery for _, delivery in master.headers)
    assert first == same != other
    assert all(len(delivery) == 32 and int(delivery, 16) for delivery in (first, other))


def test_what_a_worker_lacks_is_its_answer(
    tasks: Any, fetch: Any, server: Callable[..., SimpleNamespace], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The task does not come again: its sample would be taken for one that ends workers."""

    def refuse(**_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(fetch.tempfile, "mkstemp", refuse)
    run(tasks, "yara", server([(200, b"A text.\n")]).url)
    ((_, options),) = tasks.sent
    assert (options["kwargs"]["outcome"], options["kwargs"]["error"]) == ("error", "worker: No space left on device")


def test_a_worker_does_not_begin_without_a_place_for_samples(tasks: Any, fetch: Any) -> None:
    """It says why."""
    tasks.clean_up()
    place = fetch.directory()
    place.rmdir()
    place.touch()
    with pytest.raises(SystemExit, match="there is no place for samples: File exists"):
        tasks.clean_up()


def test_the_task_goes_back_to_its_queue_when_the_master_is_away(
    tasks: Any, fetch: Any, server: Callable[..., SimpleNamespace], monkeypatch: pytest.MonkeyPatch
) -> None:
    """There its message stays until it expires."""
    monkeypatch.setattr(fetch, "PATIENCE", 0.05)
    with pytest.raises(Reject) as caught:
        run(tasks, "yara", server([(503, b"")]).url)
    assert caught.value.requeue is True


def test_the_task_goes_back_to_its_queue_when_the_verdict_cannot_be_sent(
    tasks: Any, server: Callable[..., SimpleNamespace], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A verdict that the broker does not confirm is not lost."""

    def refuse(*_: Any, **__: Any) -> None:
        raise ConnectionError("gone")

    monkeypatch.setattr(tasks.app, "send_task", refuse)
    with pytest.raises(Reject):
        run(tasks, "yara", server([(200, b"A text.\n")]).url)


def test_publishing_declares_nothing(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker needs no right to configure what belongs to the master, nor to write to the default exchange."""
    tasks = importlib.import_module("worker.tasks")
    channel = importlib.import_module("kombu.transport.memory").Channel
    calls: list[tuple[str, Any]] = []
    monkeypatch.setattr(channel, "queue_declare", lambda *_, **options: calls.append(("queue", options)))
    monkeypatch.setattr(channel, "exchange_declare", lambda *_, **options: calls.append(("exchange", options)))
    monkeypatch.setattr(channel, "basic_publish", lambda *_, **options: calls.append(("publish", options["exchange"])))
    tasks.app.conf.update(broker_url="memory://", broker_write_url="memory://", broker_transport_options={})
    tasks.report("scaggr.record", verdict="5c1c", worker="scan@unit", outcome="clean")
    assert calls == [("publish", "results")]
