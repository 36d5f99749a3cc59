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

    return SimpleNamespace(
        module=module,
        state=state,
        event=event,
        shoot=lambda: made.on_shutter(state),
        clean=made.on_cleanup,
        tasks=database.TaskState.objects,
        nodes=database.WorkerState.objects,
        changed=made.changed,
    )


@contextmanager
def statements(module: Any) -> Iterator[list[str]]:
    """Collect the statements that write."""
    found: list[str] = []

    def note(execute: Any, sql: str, *rest: Any) -> Any:
        if sql.startswith(("INSERT", "UPDATE", "DELETE")):
            found.append(" ".join(sql.replace('"', "").split()[:3]))
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
    assert len(camera.changed) == 20
    camera.shoot()
    assert not camera.changed
    assert {*camera.tasks.values_list("uuid", flat=True)} == {f"u{number}" for number in range(30, 50)}


def test_left_for_the_next(camera: SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> None:
    """A snapshot writes so many tasks at most; the next writes what is left."""
    monkeypatch.setattr(camera.module, "AT_ONCE", 3)
    for number in range(5):
        camera.event("task-received", f"u{number}")
    camera.shoot()
    assert camera.tasks.count() == 3
    camera.shoot()
    assert camera.tasks.count() == 5


def test_disorder(camera: SimpleNamespace) -> None:
    """Events whose logical clocks go back and forth are all taken, though few are kept in order."""
    for number in range(10):
        camera.event("task-received", f"u{number}", clock=number * 7 % 10)
        assert len(camera.state._taskheap) <= 3
    camera.shoot()
    assert camera.tasks.count() == 10


def test_bounded(camera: SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> None:
    """The oldest tasks go, bit by bit where there are many, and the newest stay."""
    monkeypatch.setattr(camera.module, "MOST", 5)
    monkeypatch.setattr(camera.module, "REMOVED", 4)
    now = time.time()
    for number in range(12):
        camera.event("task-received", f"u{number:02}", when=now - 12 + number)
    camera.shoot()
    for left in (8, 5, 5):
        with statements(camera.module) as found:
            camera.clean()
        assert found == ["DELETE FROM scaggr_taskstate", "DELETE FROM scaggr_workerstate"]
        assert {*camera.tasks.values_list("uuid", flat=True)} == {f"u{number:02}" for number in range(12 - left, 12)}


def test_old_and_ahead(camera: SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tasks of last week go, and those that were dated while the clock was ahead, which displace no others."""
    monkeypatch.setattr(camera.module, "MOST", 2)
    now = time.time()
    week = camera.module.KEEP.total_seconds()
    for uuid, when in {"old": now - week - 60, "kept": now - week + 60, "new": now}.items():
        camera.event("task-received", uuid, when=when)
    for number in range(3):
        camera.event("task-received", f"ahead{number}", when=now + 7200)
    camera.shoot()
    camera.clean()
    assert {*camera.tasks.values_list("uuid", flat=True)} == {"kept", "new"}


def test_removal_fails(camera: SimpleNamespace, monkeypatch: pytest.MonkeyPatch, caplog: Any) -> None:
    """What is not removed while the database is away is removed later; the camera goes on."""
    camera.event("task-received", "u", when=1.0)
    camera.shoot()
    with monkeypatch.context() as patch:
        patch.setattr(camera.module, "remove_workers", lambda: (_ for _ in ()).throw(camera.module.Error("away")))
        patch.setattr(camera.module, "remove_tasks", lambda: None)
        camera.clean()
    assert "the oldest records are not removed: away" in caplog.text
    camera.clean()
    assert camera.tasks.count() == 0


def test_invented_nodes(camera: SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who invents names fills neither the table nor the memory; nodes that are online stay."""
    monkeypatch.setattr(camera.module.logins, "MOST", 4)
    camera.nodes.bulk_create(
        camera.nodes.model(hostname=f"old{number}", online=False, last_heartbeat=camera.module.clock.now())
        for number in range(6)
    )
    camera.state.workers.limit = 4
    for number in range(6):
        camera.event("worker-heartbeat", hostname=f"scan@{number}", freq=60)
    camera.shoot()
    camera.clean()
    assert {*camera.nodes.values_list("hostname", flat=True)} == {f"scan@{number}" for number in range(2, 6)}


def test_limits(camera: SimpleNamespace) -> None:
    """Celery remembers no more nodes than the master does."""
    assert camera.state.workers.limit == camera.module.logins.MOST


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
    assert node.keys() == {"hostname", "online", "last_heartbeat", "software"}
    assert len(node["software"]) == 255
    lengths = {key: len(value) for key, value in run.items() if isinstance(value, str)}
    assert lengths == {"uuid": 255, "name": 255, "state": 64, "worker": 255, "exception": 2000}
    assert run["runtime"] is None


def test_known_numbers(camera: SimpleNamespace) -> None:
    """What a node has said of itself outlives a camera that has heard only of its tasks yet."""
    camera.event("worker-heartbeat", active=3, processed=7, sw_ident="py-celery", sw_ver="5")
    camera.shoot()
    camera.state.workers.clear()
    camera.event("task-received", "u")
    camera.event("task-received", "v", hostname="scan@new")
    camera.event("worker-heartbeat", hostname="scan@other", active=0, processed=0)
    camera.shoot()
    assert set(camera.nodes.values_list("hostname", "online", "active", "processed", "software")) == {
        (NODE, True, 3, 7, "py-celery 5"),
        ("scan@new", True, 0, 0, ""),
        ("scan@other", True, 0, 0, ""),
    }


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


def test_refused_row(camera: SimpleNamespace, monkeypatch: pytest.MonkeyPatch, caplog: Any) -> None:
    """A row that the database refuses costs itself, and of the others no statement each."""
    make = camera.module.task_row
    monkeypatch.setattr(
        camera.module, "task_row", lambda task: {**make(task), **({"state": None} if task.uuid == "u9" else {})}
    )
    for number in range(16):
        camera.event("task-received", f"u{number}")
    with statements(camera.module) as found:
        camera.shoot()
    assert {*camera.tasks.values_list("uuid", flat=True)} == {f"u{number}" for number in range(16)} - {"u9"}
    assert found.count("INSERT INTO scaggr_taskstate") == 9
    assert "camera: 'u9' left out" in caplog.text


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
