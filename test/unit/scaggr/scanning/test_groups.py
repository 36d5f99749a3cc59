"""Engines that the same workers have are asked by one message, and answer by one."""

from collections.abc import Callable, Collection
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

GROUP = {"fileinfo": "fileinfo", "yara": "fileinfo"}


class Scanning:
    """The modules of a sample's way, tables in memory, and the messages that are sent."""

    def __init__(self, scaggr_module: Callable[[str], Any], database: Any) -> None:
        self.models = database
        self.claims, self.dispatching, self.results, self.engines, self.runs = (
            scaggr_module(f"scanning.{name}") for name in ("claim", "dispatch", "results", "engines", "runs")
        )
        self.sent: list[Any] = []
        self.requested: list[Any] = []
        self.away: Exception | None = None
        self.lost = 0

    def publish_all(self, messages: Collection[Any]) -> tuple[set[str], Exception | None]:
        """Stand for the broker, which takes all but the last messages when it goes away."""
        taken = list(messages)[: len(messages) - self.lost] if self.away else list(messages)
        self.sent += taken
        return {message.task_id for message in taken}, self.away

    def announce(self, worker: str, *names: str, groups: bool = True) -> None:
        """Have a worker announce engines."""
        engines = [{"name": name, "kind": "evilness", "groups": groups} for name in names]
        self.engines.announce(worker, engines)

    def run(self, content: str = "x", **values: Any) -> Any:
        """Make a run of a sample that is there."""
        sample, _ = self.models.Sample.objects.get_or_create(sha256=content * 64, defaults={"size": 1})
        sample.path.parent.mkdir(exist_ok=True)
        sample.path.write_text(content)
        return self.models.ScanRun.objects.create(sample=sample, name=content, **values)

    def dispatch(self, *runs: Any) -> list[Any]:
        """Dispatch runs and return the messages."""
        self.sent.clear()
        self.dispatching.dispatch([run.id for run in runs])
        return self.sent

    def claim(self, message: Any, delivery: str) -> int:
        """Claim the sample of a message."""
        status, file = self.claims.claim(message.kwargs["signed"], delivery * 32)
        if file:
            file.close()
        return status

    def verdicts(self, run: Any) -> dict[str, str]:
        """The outcomes of a run, by engine."""
        return dict(run.verdicts.values_list("engine", "outcome"))


@pytest.fixture
def scanning(
    scaggr_module: Callable[[str], Any], database: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Scanning:
    """A master whose samples lie in a folder of the test, and whose broker notes what it is given."""
    made = Scanning(scaggr_module, database)
    monkeypatch.setattr(made.claims.settings, "SAMPLE_ROOT", str(tmp_path))
    monkeypatch.setattr(made.dispatching, "publish_all", made.publish_all)
    monkeypatch.setattr(made.claims, "request_dispatch", made.requested.append)
    monkeypatch.setattr(scaggr_module("nodes.logins"), "approved", lambda: {"yara", "fileinfo", "c", "d", "alone"})
    monkeypatch.setattr(made.claims.transaction, "on_commit", lambda call: call())
    return made


@pytest.mark.parametrize(
    ("workers", "expected"),
    [
        ({}, {}),
        ({"a": ("yara",)}, {"yara": ""}),
        ({"a": ("yara", "fileinfo")}, GROUP),
        ({"a": ("yara", "fileinfo"), "b": ("fileinfo", "yara")}, GROUP),
        ({"a": ("yara", "fileinfo"), "b": ("yara",)}, {"fileinfo": "", "yara": ""}),
        ({"a": ("yara", "fileinfo", "clamav"), "b": ("yara", "fileinfo")}, GROUP | {"clamav": ""}),
        ({"a": ("yara", "fileinfo"), "old": ("yara", "fileinfo")}, {"fileinfo": "", "yara": ""}),
        ({"a": ("yara", "fileinfo"), "old": ("clamav",)}, GROUP | {"clamav": ""}),
    ],
)
def test_grouping(scanning: Scanning, workers: dict[str, tuple[str, ...]], expected: dict[str, str]) -> None:
    """A group is what the same workers have; one of them of the release before, and each engine is asked by itself."""
    rows = [
        scanning.models.Engine(name=name, worker=worker, takes_groups=worker != "old")
        for worker, names in workers.items()
        for name in names
    ]
    assert scanning.engines.leaders(rows) == expected


def test_one_message(scanning: Scanning) -> None:
    """A sample costs one message to its group of engines; it is fetched once and answered once."""
    scanning.announce("scan@a", "yara", "fileinfo")
    run, other = scanning.run("a"), scanning.run("b")
    messages = scanning.dispatch(run, other)
    assert [(message.task, message.queue.name) for message in messages] == [
        ("worker.scan_group", "engine.group_fileinfo")
    ] * 2
    message = messages[0]
    assert [*message.kwargs["verdicts"]] == ["fileinfo", "yara"]
    assert [scanning.claim(message, delivery) for delivery in "aa"] == [200, 200]
    assert {*run.verdicts.values_list("attempts", "delivery")} == {(1, "a" * 32)}
    answers = {verdict: {"outcome": "clean"} for verdict in message.kwargs["verdicts"].values()}
    scanning.results.record([{"worker": "scan@a", "answers": answers}])
    run.refresh_from_db()
    assert (scanning.verdicts(run), run.status) == ({"fileinfo": "clean", "yara": "clean"}, "done")
    assert scanning.claim(message, "b") == 204
    other.refresh_from_db()
    assert other.status == "scanning"


def test_back(scanning: Scanning) -> None:
    """A message that comes back is split into one an engine; the third death of one of them is poison, for it alone."""
    scanning.announce("scan@a", "yara", "fileinfo")
    run = scanning.run()
    (message,) = scanning.dispatch(run)
    assert [scanning.claim(message, delivery) for delivery in "ab"] == [200, 409]
    assert scanning.requested == [[run.id]]
    messages = {message.kwargs["engine"]: message for message in scanning.dispatch(run)}
    assert {message.queue.name for message in messages.values()} == {"engine.fileinfo", "engine.yara"}
    assert scanning.claim(message, "c") == 409
    assert [scanning.claim(messages["yara"], delivery) for delivery in "defg"] == [200, 200, 410, 204]
    assert scanning.claim(messages["fileinfo"], "h") == 200
    assert scanning.verdicts(run) == {"fileinfo": "pending", "yara": "error"}
    assert run.verdicts.get(engine="yara").error == "poison"


def test_half(scanning: Scanning) -> None:
    """What a worker could not do, as it has no such engine, is asked again by itself."""
    scanning.announce("scan@a", "yara", "fileinfo")
    run = scanning.run()
    (message,) = scanning.dispatch(run)
    ids = message.kwargs["verdicts"]
    report = {"worker": "scan@a", "answers": {ids["yara"]: {"outcome": "clean"}}, "unable": [ids["fileinfo"]]}
    scanning.results.record([report, report])
    assert scanning.verdicts(run) == {"fileinfo": "pending", "yara": "clean"}
    assert scanning.requested == [[run.id]]
    assert [message.queue.name for message in scanning.dispatch(run)] == ["engine.fileinfo"]


def test_split_meanwhile(scanning: Scanning, monkeypatch: pytest.MonkeyPatch) -> None:
    """A group that is split while its message is being sent is asked again all the same."""
    scanning.announce("scan@a", "yara", "fileinfo")
    run = scanning.run()

    def publish_all(messages: Collection[Any]) -> tuple[set[str], Exception | None]:
        ids = next(iter(messages)).kwargs["verdicts"]
        report = {"worker": "scan@a", "answers": {ids["yara"]: {"outcome": "clean"}}, "unable": [ids["fileinfo"]]}
        scanning.results.record([report])
        return scanning.publish_all(messages)

    with monkeypatch.context() as patch:
        patch.setattr(scanning.dispatching, "publish_all", publish_all)
        scanning.dispatch(run)
    assert [message.queue.name for message in scanning.dispatch(run)] == ["engine.fileinfo"]


def test_other_group(scanning: Scanning) -> None:
    """What is split is no matter of other engines: they are not asked again."""
    scanning.announce("scan@a", "yara", "fileinfo")
    scanning.announce("scan@b", "c", "d")
    scanning.announce("scan@c", "alone")
    run = scanning.run()
    messages = {message.queue.name: message for message in scanning.dispatch(run)}
    assert [scanning.claim(message, "a") for message in messages.values()] == [200] * 3
    assert scanning.claim(messages["engine.group_fileinfo"], "b") == 409
    assert {message.queue.name for message in scanning.dispatch(run)} == {"engine.fileinfo", "engine.yara"}


def test_unable_alone(scanning: Scanning) -> None:
    """Who could not do what it alone was asked has nothing asked again: neither of itself nor of others."""
    scanning.announce("scan@a", "yara", groups=False)
    scanning.announce("scan@b", "fileinfo")
    run = scanning.run()
    message = next(each for each in scanning.dispatch(run) if each.kwargs["engine"] == "yara")
    scanning.results.record([{"worker": "scan@a", "answers": {}, "unable": [message.task_id]}])
    assert scanning.dispatch(run) == []


@pytest.mark.parametrize(("left", "asked"), [(["yara"], {"engine.yara"}), (["fileinfo"], set()), ([], set())])
def test_leader_gone(scanning: Scanning, left: list[str], asked: set[str]) -> None:
    """Where a group's first engine is gone, the others are asked by themselves; where all are, they are waited for."""
    scanning.announce("scan@a", "yara", "fileinfo")
    run = scanning.run()
    scanning.dispatch(run)
    scanning.announce("scan@a", *left)
    if not left:
        scanning.models.Engine.objects.update(live=False)
    scanning.dispatching.split_stranded()
    scanning.dispatching.split_stranded()
    assert {message.queue.name for message in scanning.dispatch(run)} == asked


def test_first_answer(scanning: Scanning) -> None:
    """The first answer counts, and an answer is better than what the master has given up."""
    scanning.announce("scan@a", "yara", "fileinfo")
    run = scanning.run()
    (message,) = scanning.dispatch(run)
    ids = message.kwargs["verdicts"]
    for outcome in ("clean", "infected"):
        scanning.results.record([{"worker": "scan@a", "answers": {ids["yara"]: {"outcome": outcome}}}])
    scanning.models.ScanRun.objects.update(created_at=run.created_at - timedelta(days=1))
    scanning.runs.expire()
    assert scanning.verdicts(run) == {"fileinfo": "timed_out", "yara": "clean"}
    scanning.results.record([{"worker": "scan@a", "answers": {ids["fileinfo"]: {"outcome": "described"}}}])
    assert scanning.verdicts(run) == {"fileinfo": "described", "yara": "clean"}


@pytest.mark.parametrize(
    "bad",
    [
        {},
        {"worker": "scan@a"},
        {"worker": "scan@a", "answers": None},
        {"worker": "scan@a", "answers": {"x": {"outcome": "clean"}}},
        {"worker": "scan@a", "answers": {}, "unable": 3},
    ],
)
def test_bad_report(scanning: Scanning, bad: dict[str, Any], caplog: pytest.LogCaptureFixture) -> None:
    """A report that is of no use costs itself, and those that came with it are written."""
    scanning.announce("scan@a", "yara")
    run = scanning.run()
    (message,) = scanning.dispatch(run)
    good = {"worker": "scan@a", "answers": {message.task_id: {"outcome": "infected", "name": "Bad"}}}
    scanning.results.record([bad, good, bad])
    assert scanning.verdicts(run) == {"yara": "infected"}
    assert "is of no use" in caplog.text


def test_unknown(scanning: Scanning, caplog: pytest.LogCaptureFixture) -> None:
    """An answer of a worker without a name is one all the same; of a verdict that is gone it is logged."""
    scanning.announce("scan@a", "yara")
    run = scanning.run()
    (message,) = scanning.dispatch(run)
    answers = {message.task_id: {"outcome": "clean"}, "0a" + "0" * 30: {"outcome": "clean"}}
    scanning.results.record([{"answers": answers}])
    assert run.verdicts.get().worker == "unknown"
    assert "there is no verdict 0a000000-0000-0000-0000-000000000000" in caplog.text


@pytest.mark.parametrize("outcome", ["pending", "unknown", None, ["clean"]])
def test_bad_outcome(scanning: Scanning, outcome: Any) -> None:
    """An answer without an outcome leaves its verdict pending."""
    scanning.announce("scan@a", "yara")
    run = scanning.run()
    (message,) = scanning.dispatch(run)
    scanning.results.record([{"worker": "scan@a", "answers": {message.task_id: {"outcome": outcome}}}])
    assert scanning.verdicts(run) == {"yara": "pending"}


def test_no_engine(scanning: Scanning) -> None:
    """Without an engine a run waits, and is sent when there is one."""
    run = scanning.run()
    assert scanning.dispatch(run) == []
    run.refresh_from_db()
    assert run.status == "waiting"
    scanning.announce("scan@a", "yara")
    assert len(scanning.dispatch(run)) == 1
    assert scanning.dispatch(run) == []


def test_broker_away(scanning: Scanning) -> None:
    """Of a batch that the broker took in part the rest is sent again, and nothing twice."""
    scanning.announce("scan@a", "yara")
    runs = [scanning.run(content) for content in "abc"]
    scanning.away, scanning.lost = ConnectionResetError(), 1
    with pytest.raises(ConnectionResetError):
        scanning.dispatch(*runs)
    assert len(scanning.sent) == 2
    scanning.away = None
    assert len(scanning.dispatch(*runs)) == 1
    assert not scanning.models.ScanRun.objects.filter(dispatched_at=None).exists()


def test_expiration(scanning: Scanning, monkeypatch: pytest.MonkeyPatch) -> None:
    """The broker drops a message when its run is over, and no message says itself when it is too late."""
    scanning.announce("scan@a", "yara")
    now = scanning.dispatching.timezone.now()
    for created, left in ((timedelta(seconds=-60), [540]), (timedelta(hours=2), [600]), (timedelta(seconds=-601), [])):
        messages = scanning.dispatch(scanning.run(created_at=now + created))
        assert [round(message.expiration) for message in messages] == left
    monkeypatch.setattr(scanning.claims.settings, "SCAN_EXPIRES", 2**31)
    assert 0 < scanning.dispatch(scanning.run())[0].expiration * 1000 < 2**32


@pytest.mark.parametrize("name", ["group_yara", "a.b", "", "é", "x" * 65])
def test_names(scanning: Scanning, name: str) -> None:
    """No engine has a name that is not for a queue, or for the queue of a group."""
    assert not scanning.engines.is_announcement({"name": name, "kind": "evilness"})
    assert scanning.engines.is_announcement({"name": "yara", "kind": "evilness"})
