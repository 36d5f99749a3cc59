"""What the camera writes into the database."""

import importlib
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import pytest
from celery.events.state import State

NODE = "scan@a"


@pytest.fixture
def camera(database: Any, monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """The camera, with what Celery keeps in memory, and the tables that it writes to."""
    module = importlib.import_module("scaggr.camera")
    monkeypatch.setattr(module, "close_old_connections", lambda: None)
    monkeypatch.setattr(importlib.import_module("django.db").connections["default"], "close", lambda: None)
    state = State(max_tasks_in_memory=20)
    made = module.Camera(state, timer=SimpleNamespace())

    def event(kind: str, uuid: str = "", when: float | None = None, **values: Any) -> None:
        task = {"uuid": uuid} if uuid else {}
        moment = time.time() if when is None else when
        known = {"type": kind, "hostname": NODE, "timestamp": moment, "local_received": moment, "clock": 0}
        state.event({**known, **task, **values})

    tasks = database.TaskState.objects
    return SimpleNamespace(module=module, state=state, event=event, shoot=lambda: made.on_shutter(state), tasks=tasks)


@contextmanager
def statements(module: Any) -> Iterator[list[str]]:
    """Collect the statements that write."""
    found: list[str] = []

    def note(execute: Any, sql: str, *rest: Any) -> Any:
        if sql.startswith(("INSERT", "UPDATE", "DELETE")):
            found.append(sql.partition(" (")[0])
        return execute(sql, *rest)

    with module.connection.execute_wrapper(note):
        yield found


def test_one_statement(camera: SimpleNamespace) -> None:
    """A snapshot is one statement a table, whatever has happened, and writes only what has changed since the last."""
    camera.event("worker-heartbeat", active=1, processed=7, freq=2)
    for number in range(10):
        camera.event("task-received", f"u{number}", name="scaggr.dispatch")
        camera.event("task-succeeded", f"u{number}", runtime=0.5)
    with statements(camera.module) as found:
        camera.shoot()
    assert found == ["INSERT INTO scaggr_workerstate", "INSERT INTO scaggr_taskstate"]
    assert set(camera.tasks.values_list("name", "state", "worker", "runtime")) == {
        ("scaggr.dispatch", "SUCCESS", NODE, 0.5)
    }
    assert camera.tasks.count() == 10
    camera.tasks.all().delete()
    camera.event("task-received", "u3", name="scaggr.dispatch")
    camera.shoot()
    assert [*camera.tasks.values_list("uuid", flat=True)] == ["u3"]


def test_late(camera: SimpleNamespace) -> None:
    """What a camera that came late has not heard of a task stays as it was."""
    when = time.time()
    camera.event("task-received", "u", when, name="scaggr.dispatch")
    camera.shoot()
    camera.state.tasks.clear()
    camera.event("task-succeeded", "u", when + 1, runtime=0.5)
    camera.shoot()
    row = camera.tasks.get()
    assert (row.name, row.state, row.worker, row.runtime) == ("scaggr.dispatch", "SUCCESS", NODE, 0.5)
    assert row.received_at.timestamp() == pytest.approx(when)


def test_failed_snapshot(camera: SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a snapshot that failed did not write the next one writes."""
    camera.event("task-received", "u", name="scaggr.dispatch")
    with monkeypatch.context() as patch:
        patch.setattr(camera.module, "write", lambda *_: (_ for _ in ()).throw(camera.module.Error("away")))
        camera.shoot()
    assert camera.tasks.count() == 0
    camera.shoot()
    assert camera.tasks.count() == 1


def test_memory(camera: SimpleNamespace) -> None:
    """Without a database no more is remembered than Celery remembers, and the newest of it."""
    for number in range(50):
        camera.event("task-received", f"u{number}", name="scaggr.dispatch")
    camera.shoot()
    assert {*camera.tasks.values_list("uuid", flat=True)} == {f"u{number}" for number in range(30, 50)}


def test_bounded(camera: SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> None:
    """The oldest tasks go, and as many are kept as are to be kept."""
    monkeypatch.setattr(camera.module, "MOST", 5)
    monkeypatch.setattr(camera.module, "EVERY", 0.0)
    for number in range(12):
        camera.event("task-received", f"u{number}", when=1000.0 + number)
    camera.shoot()
    assert {*camera.tasks.values_list("uuid", flat=True)} == {f"u{number}" for number in range(7, 12)}


def test_what_columns_hold(camera: SimpleNamespace) -> None:
    """Texts are clipped, and numbers that are none left out."""
    module = camera.module
    worker = module.Worker(
        "n\0" + "x" * 300, active=2**31, processed=-1, sw_ident="s" * 300, sw_ver="1", heartbeats=[time.time()]
    )
    task = module.Task("u" * 300, name="t" * 300, state="S" * 65, worker=worker, timestamp=2.0, exception="e" * 9000)
    task.runtime = float("inf")
    node, run = module.worker_row(worker), module.task_row(task)
    assert node["hostname"] == "n\ufffd" + "x" * 253
    assert (node["active"], node["processed"], len(node["software"])) == (0, 0, 255)
    lengths = {key: len(value) for key, value in run.items() if isinstance(value, str)}
    assert lengths == {"uuid": 255, "name": 255, "state": 64, "worker": 255, "exception": 2000}
    assert run["runtime"] is None


def test_same_name(camera: SimpleNamespace) -> None:
    """Two tasks that have one name in the table cost a snapshot nothing."""
    for end in "ab":
        camera.event("task-received", "u" * 255 + end)
    camera.shoot()
    assert camera.tasks.count() == 1


@pytest.mark.parametrize(
    "oddity", [{"timestamp": 1e300}, {"timestamp": "x"}, {"timestamp": None}, {"worker": "x"}, {"received": 1e300}]
)
def test_bad_row(camera: SimpleNamespace, oddity: dict[str, Any]) -> None:
    """A row that cannot be costs itself."""
    for uuid, fields in (("bad", {"timestamp": 1.0} | oddity), ("good", {"timestamp": 1.0})):
        camera.event("task-received", uuid)
        camera.state.tasks[uuid].__dict__.update(fields)
    camera.shoot()
    assert [*camera.tasks.values_list("uuid", flat=True)] == ["good"]


def test_refused_row(camera: SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> None:
    """A row that the database refuses costs itself."""
    make = camera.module.task_row
    monkeypatch.setattr(
        camera.module, "task_row", lambda task: {**make(task), **({"state": None} if task.uuid == "bad" else {})}
    )
    for uuid in ("first", "bad", "last"):
        camera.event("task-received", uuid)
    camera.shoot()
    assert {*camera.tasks.values_list("uuid", flat=True)} == {"first", "last"}


def test_forgotten_node(camera: SimpleNamespace, database: Any) -> None:
    """A node that is silent is no longer online; one whose row was taken out meanwhile stays so."""
    camera.event("worker-heartbeat", active=0, processed=0, freq=2)
    camera.shoot()
    assert database.WorkerState.objects.get().online
    camera.event("worker-offline")
    camera.shoot()
    assert not database.WorkerState.objects.get().online
    database.WorkerState.objects.all().delete()
    camera.shoot()
    assert not database.WorkerState.objects.exists()


def test_future(camera: SimpleNamespace) -> None:
    """A node is not alive by what was heard while the clock was ahead."""
    now = camera.module.clock.now().timestamp()
    worker = camera.module.Worker("node", freq=2.0, heartbeats=[now - 300, now + 7200])
    camera.module.forget_future(worker)
    assert worker.heartbeats == [now - 300]
    assert not worker.alive
    worker.event("heartbeat", now, now)
    assert worker.alive
