"""The tasks of each node."""
# ruff: noqa: D103  (the names of the tests say it)

import importlib
from types import SimpleNamespace
from typing import Any

import pytest
from celery.exceptions import Reject

OWN_TASKS = {
    "master": {"scaggr.canary_out", "scaggr.dispatch"},
    "results": {"scaggr.record", "scaggr.announce", "scaggr.canary_home"},
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


@pytest.mark.parametrize("error", ["OperationalError", "InterfaceError"])
def test_an_answer_outlives_a_database_that_is_away(scaggr: Any, monkeypatch: pytest.MonkeyPatch, error: str) -> None:
    results = importlib.import_module("scaggr.tasks.results")
    paused: list[float] = []

    def record(**_: Any) -> None:
        raise getattr(results, error)("it is away")

    monkeypatch.setattr(results.logins, "speaks_for", lambda _node, _login: True)
    monkeypatch.setattr(results.results, "record", record)
    monkeypatch.setattr(results, "time", SimpleNamespace(sleep=paused.append))
    with pytest.raises(Reject) as caught:
        results.record.run(verdict="x")
    assert caught.value.requeue
    assert paused == [results.PAUSE]
