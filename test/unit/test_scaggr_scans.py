"""What comes in from outside: names of files, key-values of engines, searches; and the messages to the broker."""
# ruff: noqa: D103  (the names of the tests say it)

import importlib
import math
import random
import sys
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import uuid4

import pytest
from amqp.exceptions import AccessRefused
from celery.exceptions import Reject
from django.http import HttpRequest
from kombu.exceptions import OperationalError

PROJECT = Path(__file__).parents[2] / "roots" / "phagescan"


def load(monkeypatch: pytest.MonkeyPatch, name: str) -> ModuleType:
    monkeypatch.syspath_prepend(str(PROJECT))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    return importlib.import_module(name)


@pytest.fixture
def text(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """scaggr.text, which needs nothing."""
    return load(monkeypatch, "scaggr.text")


@pytest.fixture
def scaggr(scaggr_module: Callable[[str], ModuleType]) -> SimpleNamespace:
    """The modules that need Django."""
    return SimpleNamespace(**{name: scaggr_module(name) for name in ("broker", "models", "scans", "uploads")})


@pytest.mark.parametrize(
    ("name", "clean"),
    [
        ("sample.exe", "sample.exe"),
        ("../../etc/passwd", "passwd"),
        ("C:\\Windows\\..\\evil.dll", "evil.dll"),
        ("/etc\\mixed/up\\name", "name"),
        ("a\0b\r\nc\x1b[31m", "abc[31m"),
        ("photo\u202egnp.exe", "photognp.exe"),
        ("\u2066hidden\u2069\u200b\ufeff", "hidden"),
        ("half \ud800 pair", "half  pair"),
        ("line\u2028end", "lineend"),
        ("  spaces \t", "spaces"),
        ("..", "unnamed"),
        (".", "unnamed"),
        ("", "unnamed"),
        ("folder/", "unnamed"),
        ("\u202e\0", "unnamed"),
        (".profile", ".profile"),
        ("Bericht für Müller 漢字.pdf", "Bericht für Müller 漢字.pdf"),
    ],
)
def test_names_lose_paths_and_what_cannot_be_seen(text: ModuleType, name: str, clean: str) -> None:
    assert text.clean_name(name) == clean


@pytest.mark.parametrize(
    ("name", "end"),
    [
        ("n" * 10_000 + ".docx", ".docx"),
        ("n" * 10_000, "nnn"),
        ("." + "n" * 10_000, "nnn"),
        ("n." + "x" * 10_000, "xxx"),
        ("ü" * 300 + ".tar.gz", "ü.gz"),
    ],
)
def test_long_names_keep_a_suffix_that_is_one(text: ModuleType, name: str, end: str) -> None:
    clean = text.clean_name(name)
    assert len(clean) == 255
    assert clean.endswith(end)
    assert clean[0] == name[0]


@pytest.mark.parametrize(
    ("meta", "address"),
    [
        ({"REMOTE_ADDR": "127.0.0.1", "HTTP_X_REAL_IP": "192.0.2.1"}, "192.0.2.1"),
        ({"REMOTE_ADDR": "127.0.0.1"}, "127.0.0.1"),
        ({"REMOTE_ADDR": "192.0.2.2", "HTTP_X_REAL_IP": "192.0.2.1"}, "192.0.2.2"),
        ({"REMOTE_ADDR": "127.0.0.1", "HTTP_X_FORWARDED_FOR": "192.0.2.1"}, "127.0.0.1"),
    ],
)
def test_only_the_proxy_speaks_for_a_client(
    scaggr: SimpleNamespace, monkeypatch: pytest.MonkeyPatch, meta: dict[str, str], address: str
) -> None:
    request = HttpRequest()
    request.META = meta
    assert load(monkeypatch, "scaggr.views").client_address(request) == address


def test_text_is_what_postgresql_takes(text: ModuleType) -> None:
    assert text.clip("a\0b\ud800c", 4) == "a\ufffdb\ufffd"
    assert text.clip(12, 4) == "12"
    assert text.clip_bytes("ab漢", 4) == "ab"
    assert text.clip_bytes("\0", 4) == "\ufffd"


@pytest.mark.parametrize("metadata", [None, [], "text", 3, [("a", "b")]])
def test_what_is_no_mapping_is_no_metadata(text: ModuleType, metadata: Any) -> None:
    assert text.as_hstore(metadata) == {}


def test_metadata_is_text_of_bounded_size(text: ModuleType) -> None:
    assert text.as_hstore({"a": 1, "b": None, "c": [1], "d\0": "\0", "": "nothing"}) == {
        "a": "1",
        "b": "None",
        "c": "[1]",
        "d\ufffd": "\ufffd",
    }
    chance = random.Random(3)
    long = text.as_hstore({f"{number:03}" + "ü" * 500: "".join(chance.choices("aß漢𝄞", k=9000)) for number in range(1000)})
    assert len(long) == 200
    assert max(len(key) for key in long) == 100
    assert 1990 < max(len(value.encode()) for value in long.values()) <= 2000


@pytest.mark.parametrize(
    ("value", "duration"),
    [(1.5, 1.5), ("2", 2.0), (0, 0.0), (None, None), ("x", None), (-1, None), (math.inf, None), (math.nan, None), ({}, None)],
)
def test_a_duration_is_a_number_or_nothing(text: ModuleType, value: Any, duration: float | None) -> None:
    assert text.seconds(value) == duration


@pytest.mark.parametrize(
    ("q", "query"),
    [
        ("", ("", "", None)),
        ("  eicar ", ("eicar", "", None)),
        ("abcdef", ("abcdef", "abcdef", None)),
        ("ABCDEF01", ("ABCDEF01", "abcdef01", None)),
        ("abcde", ("abcde", "", None)),
        ("f" * 64, ("f" * 64, "f" * 64, None)),
        ("f" * 65, ("f" * 65, "", None)),
        ("type=PDF", ("type=PDF", "", ("type", "PDF"))),
        ("type: PE32 = x", ("type: PE32 = x", "", ("type", "PE32 = x"))),
        ("type=", ("type=", "", ("type", ""))),
        ("=x", ("=x", "", None)),
        (" = ", ("=", "", None)),
        ("a\n=b", ("a\n=b", "", ("a", "b"))),
        ("\0", ("\ufffd", "", None)),
        ("\ud800", ("\ufffd", "", None)),
    ],
)
def test_searches_are_understood(text: ModuleType, q: str, query: tuple[Any, ...]) -> None:
    assert tuple(text.parse_query(q)) == query


def test_a_long_search_is_cut(text: ModuleType) -> None:
    assert len(text.parse_query("x" * 1_000_000).text) == text.QUERY_LENGTH


@pytest.mark.parametrize("q", ["", "%", "\0\ud800", "a=b", "abcdef", "f" * 64, "'", "x" * 100_000])
def test_every_search_becomes_a_query(scaggr: SimpleNamespace, q: str) -> None:
    sql, values = scaggr.scans.search(q).query.sql_with_params()
    assert "scaggr_scanrun" in sql
    assert all("\0" not in value for value in values if isinstance(value, str))
    assert "avals" not in sql


@pytest.mark.parametrize(
    ("key", "value", "found"),
    [
        ("type", "PE32 = x: y", True),
        ("type", "ü" * 295, True),
        ("type", "x" * 296, False),
        ("type", "", True),
        ("a:b", "c", False),
        ("a", " b", False),
        (" a", "b", False),
    ],
)
def test_metadata_is_a_link_where_the_search_finds_it(
    scaggr: SimpleNamespace, monkeypatch: pytest.MonkeyPatch, key: str, value: str, found: bool
) -> None:
    views, parse = load(monkeypatch, "scaggr.views"), load(monkeypatch, "scaggr.text").parse_query
    link = views.search_link(key, value)
    assert bool(link) is found
    if found:
        (query,) = parse_qs(urlsplit(link).query)["q"]
        assert parse(query).pair == (key, value)


@pytest.mark.parametrize(
    "engine",
    [None, 3, {}, {"name": "yara"}, {"name": "yara", "kind": "other"}, {"name": "a.b", "kind": "evilness"}]
    + [{"name": name, "kind": "metadata"} for name in ("", "a b", "é", "x" * 65, 7, None)],
)
def test_an_engine_is_announced_with_name_and_kind(scaggr: SimpleNamespace, engine: Any) -> None:
    assert not scaggr.scans.is_announcement(engine)
    assert scaggr.scans.is_announcement({"name": "yara", "kind": "evilness"})


@pytest.mark.parametrize(
    ("outcomes", "infected"),
    [
        ([], None),
        (["described"], None),
        (["pending", "clean"], None),
        (["pending", "infected"], True),
        (["clean", "described"], False),
        (["clean", "infected"], True),
        (["clean", "timed_out"], None),
        (["clean", "error", "described"], None),
        (["clean", "clean"], False),
        (["infected", "error", "timed_out"], True),
        (["described", "error"], None),
        (["error", "timed_out"], None),
    ],
)
def test_a_run_is_summed_up(scaggr: SimpleNamespace, outcomes: list[str], infected: bool | None) -> None:
    verdicts = [scaggr.models.Verdict(outcome=outcome, name="Threat") for outcome in outcomes]
    run = SimpleNamespace(verdicts=SimpleNamespace(all=lambda: verdicts), status=scaggr.models.ScanRun().status)
    summed = scaggr.scans.summary(run)
    assert summed == {"status": "waiting", "infected": infected, "threats": ["Threat"] if infected else []}


class Claimed:
    """A verdict and its run, without a database."""

    def __init__(self, scaggr: SimpleNamespace, monkeypatch: pytest.MonkeyPatch, path: Path) -> None:
        self.scans = scaggr.scans
        self.verdict = scaggr.models.Verdict(engine="yara", fetch_key=uuid4())
        found = SimpleNamespace(update=self.update)
        verdicts = SimpleNamespace(get=lambda **_: self.verdict, filter=lambda **_: found)
        run = SimpleNamespace(sample=SimpleNamespace(path=path), sample_id="5c1c", verdicts=verdicts)
        monkeypatch.setattr(self.scans, "lock_run", lambda **_: run)
        monkeypatch.setattr(self.scans, "give_up", self.give_up)
        monkeypatch.setattr(self.scans.transaction, "atomic", nullcontext)

    def update(self, attempts: Any, delivery: str) -> None:
        """Count, and note what for."""
        self.verdict.attempts += 1
        self.verdict.delivery = delivery

    def give_up(self, _: Any, verdicts: list[Any], outcome: str, error: str) -> None:
        """End the verdict."""
        (verdict,) = verdicts
        verdict.outcome, verdict.error = outcome, error

    def fetch(self, delivery: str) -> int:
        """Claim the sample for a delivery and return the status."""
        status, file = self.scans.claim(self.scans.signature(self.verdict), delivery)
        assert (file is not None) == (status == 200)
        if file:
            file.close()
        return status


@pytest.fixture
def claimed(scaggr: SimpleNamespace, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Claimed:
    """A verdict whose sample is there."""
    (tmp_path / "sample").write_bytes(b"bytes")
    return Claimed(scaggr, monkeypatch, tmp_path / "sample")


def test_deliveries_are_counted_and_not_fetches(claimed: Claimed) -> None:
    first, second, third, fourth = (digit * 32 for digit in "abcd")
    assert [claimed.fetch(each) for each in (first, first, second, third, third)] == [200] * 5
    assert (claimed.verdict.attempts, claimed.verdict.outcome) == (3, "pending")
    assert claimed.fetch(fourth) == 410
    assert (claimed.verdict.attempts, claimed.verdict.outcome, claimed.verdict.error) == (3, "error", "poison")
    assert claimed.fetch(fourth) == 204


@pytest.mark.parametrize("delivery", ["", "A" * 32, "a" * 33, "a" * 32 + "\n", "\xe9" * 32])
def test_a_delivery_without_a_number_is_a_new_one(claimed: Claimed, delivery: str) -> None:
    assert [claimed.fetch(delivery) for _ in range(4)] == [200, 200, 200, 410]
    assert claimed.verdict.delivery == ""


def test_what_keeps_the_master_from_a_sample_is_not_counted(claimed: Claimed, tmp_path: Path) -> None:
    (tmp_path / "sample").unlink()
    (tmp_path / "sample").mkdir()
    with pytest.raises(IsADirectoryError):
        claimed.fetch("a" * 32)
    assert (claimed.verdict.attempts, claimed.verdict.outcome) == (0, "pending")
    (tmp_path / "sample").rmdir()
    assert claimed.fetch("a" * 32) == 410
    assert (claimed.verdict.attempts, claimed.verdict.error) == (0, "the sample's file is gone")


@pytest.mark.parametrize(
    "authorization", [None, "", "Signature", "Signature x:y:z", "Signature {}x", "Signature :{}", "Bearer {}", "{}"]
)
def test_nobody_fetches_without_a_signature(
    claimed: Claimed, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, authorization: str | None
) -> None:
    signed = claimed.scans.signature(claimed.verdict)
    headers = {} if authorization is None else {"Authorization": authorization.format(signed)}
    request = load(monkeypatch, "django.test").RequestFactory().get("/fetch/", headers=headers)
    assert load(monkeypatch, "scaggr.fetch").fetch(request).status_code == 403
    assert signed not in caplog.text


def test_what_is_no_signature_does_not_reach_the_database(claimed: Claimed, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(claimed.scans.transaction, "atomic", None)
    assert claimed.scans.claim("none", "a" * 32) == (403, None)


def test_a_new_secret_key_leaves_no_worker_outside(claimed: Claimed, monkeypatch: pytest.MonkeyPatch) -> None:
    signed = claimed.scans.signature(claimed.verdict)
    monkeypatch.setattr(load(monkeypatch, "django.conf").settings, "SECRET_KEY", "another" * 10)
    assert claimed.scans.claim(signed, "a" * 32)[0] == 200
    other = type(claimed.verdict)(id=claimed.verdict.id, engine="yara", fetch_key=uuid4())
    assert claimed.scans.claim(claimed.scans.signature(other), "a" * 32)[0] == 403


def test_a_sample_is_handed_out_as_an_attachment(claimed: Claimed, monkeypatch: pytest.MonkeyPatch) -> None:
    headers = {"Authorization": f"Signature {claimed.scans.signature(claimed.verdict)}", "X-Delivery": "a" * 32}
    request = load(monkeypatch, "django.test").RequestFactory().get("/fetch/", headers=headers)
    answer = load(monkeypatch, "scaggr.fetch").fetch(request)
    assert (answer.status_code, answer["Content-Length"], answer.getvalue()) == (200, "5", b"bytes")
    assert answer["Content-Disposition"].startswith("attachment")
    assert claimed.verdict.delivery == "a" * 32


@pytest.mark.parametrize(("size", "status"), [(0, 400), (1048577, 413), (None, 400)])
def test_files_that_cannot_be_taken(scaggr: SimpleNamespace, size: int | None, status: int) -> None:
    file = None if size is None else SimpleNamespace(size=size)
    with pytest.raises(scaggr.scans.SubmitError) as caught:
        scaggr.scans.submit(file, None)
    assert caught.value.status == status


@pytest.mark.parametrize("name", ["a." + "x" * 900, "." + "x" * 900, "x" * 900, "plain.txt"])
def test_a_file_is_received_under_any_name_and_not_beyond_the_limit(
    scaggr: SimpleNamespace, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str
) -> None:
    settings = importlib.import_module("django.conf").settings
    monkeypatch.setattr(settings, "FILE_UPLOAD_TEMP_DIR", str(tmp_path), raising=False)
    monkeypatch.setattr(settings, "MAX_SAMPLE_SIZE", 10, raising=False)
    handler = scaggr.uploads.SampleUploadHandler(None)
    handler.new_file("file", name, "", None)
    for start in range(0, 100, 5):
        handler.receive_data_chunk(b"12345", start)
    with handler.file_complete(100) as file:
        assert file.size == 100
        assert Path(file.temporary_file_path()).stat().st_size == 0 or file.seek(0, 2) == 15
        assert file.name[0] == name[0]
        assert len(file.name) <= 255


class Broker:
    """Stands for the broker: connections that work until they are told not to."""

    def __init__(self, module: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
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
def test_a_message_survives_a_connection_that_died_unused(scaggr: SimpleNamespace, broker: Broker, noticed: bool) -> None:
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


OWN_TASKS = {
    "master": {"scaggr.canary_out", "scaggr.dispatch"},
    "results": {"scaggr.record", "scaggr.announce", "scaggr.canary_home"},
    "periodic": {"scaggr.heartbeat", "scaggr.prune", "scaggr.refresh_engines", "scaggr.expire_runs"},
}


@pytest.mark.parametrize("node", OWN_TASKS)
def test_a_node_has_its_own_tasks(scaggr: SimpleNamespace, monkeypatch: pytest.MonkeyPatch, node: str) -> None:
    app, conf = load(monkeypatch, "scaggr.celery").app, load(monkeypatch, f"{node}celeryconfig")
    for other in OWN_TASKS:
        load(monkeypatch, f"scaggr.tasks.{other}")
    app.finalize()
    own_tasks = load(monkeypatch, "scaggr.intake").own_tasks
    assert "celery.chord" in app.tasks
    assert own_tasks(SimpleNamespace(tasks=app.tasks, conf=conf)) == OWN_TASKS[node]
    assert conf.worker_consumer == "scaggr.intake:Consumer"
    queue = conf.task_default_queue
    routes = {name: conf.task_routes[name] for name in OWN_TASKS[node] if name in conf.task_routes}
    assert all(route == {"queue": queue} for route in routes.values())


@pytest.mark.parametrize("error", ["OperationalError", "InterfaceError"])
def test_an_answer_outlives_a_database_that_is_away(
    scaggr: SimpleNamespace, monkeypatch: pytest.MonkeyPatch, error: str
) -> None:
    results = load(monkeypatch, "scaggr.tasks.results")
    paused: list[float] = []

    def record(**_: Any) -> None:
        raise getattr(results, error)("it is away")

    monkeypatch.setattr(results.scans, "record", record)
    monkeypatch.setattr(results.time, "sleep", paused.append)
    with pytest.raises(Reject) as caught:
        results.record.run(verdict="x")
    assert caught.value.requeue
    assert paused == [results.PAUSE]


@pytest.fixture
def camera(scaggr: SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """The camera, and the rows that it would write."""
    module, rows = load(monkeypatch, "scaggr.camera"), []

    def update_or_create(**row: Any) -> None:
        rows.append(row)

    for model in (module.WorkerState, module.TaskState):
        monkeypatch.setattr(model.objects, "update_or_create", update_or_create)
    return SimpleNamespace(module=module, rows=rows)


def test_the_camera_writes_what_its_columns_hold(camera: SimpleNamespace) -> None:
    module = camera.module
    worker = module.Worker("n\0" + "x" * 300, active=2**31, processed=-1, sw_ident="s" * 300, sw_ver="1", heartbeats=[1.0])
    task = module.Task("u" * 300, name="t" * 300, state="S" * 65, worker=worker, timestamp=2.0, exception="e" * 9000)
    task.runtime = float("inf")
    module.write(module.write_worker, worker)
    module.write(module.write_task, task)
    (node, run) = camera.rows
    assert node["hostname"] == "n\ufffd" + "x" * 253
    assert node["defaults"].keys() == {"online", "last_heartbeat", "software"}
    assert len(node["defaults"]["software"]) == 255
    assert run["uuid"] == "u" * 255
    lengths = {key: len(value) for key, value in run["defaults"].items() if isinstance(value, str)}
    assert lengths == {"name": 255, "state": 64, "worker": 255, "exception": 2000}
    assert "runtime" not in run["defaults"]


@pytest.mark.parametrize("oddity", [{"timestamp": 1e300}, {"timestamp": "x"}, {"worker": "x"}, {"received": float("nan")}])
def test_the_camera_leaves_a_bad_row_out(camera: SimpleNamespace, oddity: dict[str, Any]) -> None:
    module = camera.module
    for fields in ({"timestamp": 1.0} | oddity, {"timestamp": 1.0}):
        task = module.Task("u")
        task.__dict__.update(fields)
        module.write(module.write_task, task)
    assert len(camera.rows) == 1
