"""What the camera writes into the database."""
# ruff: noqa: D103  (the names of the tests say it)

import importlib
import time
from types import SimpleNamespace
from typing import Any

import pytest


@pytest.fixture
def camera(scaggr: Any, monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """The camera, and the rows that it would write."""
    module, rows = importlib.import_module("scaggr.camera"), []

    def update_or_create(**row: Any) -> None:
        rows.append(row)

    for model in (module.WorkerState, module.TaskState):
        monkeypatch.setattr(model.objects, "update_or_create", update_or_create)
    return SimpleNamespace(module=module, rows=rows)


def test_the_camera_writes_what_its_columns_hold(camera: SimpleNamespace) -> None:
    module = camera.module
    worker = module.Worker(
        "n\0" + "x" * 300, active=2**31, processed=-1, sw_ident="s" * 300, sw_ver="1", heartbeats=[time.time()]
    )
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


def test_the_camera_brings_no_forgotten_node_back(camera: SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its event says only that it is away: the row was taken out, and stays so."""
    module = camera.module
    asked: list[Any] = []

    def those(**which: Any) -> SimpleNamespace:
        asked.append(which)
        return SimpleNamespace(update=lambda **values: asked.append(values["online"]))

    monkeypatch.setattr(module.WorkerState.objects, "filter", those)
    module.write_worker(module.Worker("scan@old", heartbeats=[1.0]))
    assert (camera.rows, asked) == ([], [{"hostname": "scan@old"}, False])


@pytest.mark.parametrize(
    "oddity", [{"timestamp": 1e300}, {"timestamp": "x"}, {"worker": "x"}, {"received": float("nan")}]
)
def test_the_camera_leaves_a_bad_row_out(camera: SimpleNamespace, oddity: dict[str, Any]) -> None:
    module = camera.module
    for fields in ({"timestamp": 1.0} | oddity, {"timestamp": 1.0}):
        task = module.Task("u")
        task.__dict__.update(fields)
        module.write(module.write_task, task)
    assert len(camera.rows) == 1


def test_a_node_is_not_alive_by_what_was_heard_while_the_clock_was_ahead(camera: SimpleNamespace) -> None:
    now = camera.module.clock.now().timestamp()
    worker = camera.module.Worker("node", freq=2.0, heartbeats=[now - 300, now + 7200])
    camera.module.forget_future(worker)
    assert worker.heartbeats == [now - 300]
    assert not worker.alive
    worker.event("heartbeat", now, now)
    assert worker.alive
