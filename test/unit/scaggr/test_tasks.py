"""The tasks of each node."""
# ruff: noqa: D103  (the names of the tests say it)

import importlib
from types import SimpleNamespace
from typing import Any

import pytest
from celery.exceptions import Reject

OWN_TASKS = {
    "master": {"scaggr.canary_out", "scaggr.dispatch"},
    "results": {"scaggr.record", "scaggr.record_group", "scaggr.announce", "scaggr.canary_home"},
    "periodic": {"scaggr.heartbeat", "scaggr.prune", "scaggr.refresh_engines", "scaggr.expire_runs"},
}


@pytest.mark.parametrize("node", OWN_TASKS)
def test_a_node_has_its_own_tasks(scaggr: Any, monkeypatch: pytest.MonkeyPatch, node: str) -> None:
    app, conf = importlib.import_module("shared.app").app, importlib.import_module(f"{node}celeryconfig")
    for other in OWN_TASKS:
        importlib.import_module(f"scaggr.tasks.{other}")
    app.finalize()
    own_tasks = importlib.import_module("shared.intake").own_tasks
    assert "celery.chord" in app.tasks
    assert own_tasks(SimpleNamespace(tasks=app.tasks, conf=conf)) == OWN_TASKS[node]
    assert conf.worker_consumer == "shared.intake:Consumer"
    queue = conf.task_default_queue
    routes = {name: conf.task_routes[name] for name in OWN_TASKS[node] if name in conf.task_routes}
    assert all(route == {"queue": queue} for route in routes.values())


@pytest.mark.parametrize("task", ["record", "record_group"])
@pytest.mark.parametrize("error", ["OperationalError", "InterfaceError"])
def test_an_answer_outlives_a_database_that_is_away(
    scaggr: SimpleNamespace, monkeypatch: pytest.MonkeyPatch, error: str, task: str
) -> None:
    tasks = importlib.import_module("scaggr.tasks.results")

    def write(_: Any) -> None:
        raise getattr(importlib.import_module("django.db"), error)("it is away")

    monkeypatch.setattr(tasks.results, "write", write)
    monkeypatch.setattr(tasks.logins, "speaks_for", lambda *_: True)
    with pytest.raises(Reject) as caught:
        getattr(tasks, task).run([tasks.Call({"worker": "scan@a"}, "login")])
    assert caught.value.requeue


def test_a_worker_of_the_release_before_answers_for_one_engine(
    scaggr: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    tasks = importlib.import_module("scaggr.tasks.results")
    written: list[Any] = []
    monkeypatch.setattr(tasks.results, "record", written.extend)
    monkeypatch.setattr(tasks.logins, "speaks_for", lambda node, login: login == "worker")
    calls = [tasks.Call({"verdict": str(number), "worker": "scan@a", "outcome": "clean"}, "worker") for number in "12"]
    tasks.record.run([*calls, tasks.Call({"verdict": "3", "worker": "scan@a"}, "other"), tasks.Call({}, "worker")])
    reports = [(report.get("worker"), {*report["answers"]}) for report in written]
    assert reports == [("scan@a", {"1"}), ("scan@a", {"2"}), (None, {"None"})]
