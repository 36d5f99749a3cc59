"""What node master.results does. Anything may be in what it is given: workers write to its queue."""

import time
from collections.abc import Sequence
from typing import Any

from celery import Task
from celery.exceptions import Reject

from scaggr.models import Canary
from scaggr.nodes import logins
from scaggr.nodes.batches import BatchTask, Call
from scaggr.scanning import results
from scaggr.scanning.engines import announce as note_engines
from scaggr.scanning.runs import NO_DATABASE
from shared import tasks
from shared.app import app


@app.task(bind=True, name=tasks.CANARY_HOME)
def canary_home(self: Task, canary: str, master_node: str, master_seconds: float, sent: float) -> None:
    """Fly from the queue results into the database."""
    hops = {"master": max(0.0, master_seconds), "results": max(0.0, time.time() - sent)}
    begin = time.perf_counter()
    row, created = Canary.objects.get_or_create(
        id=canary, defaults={"master_node": master_node, "results_node": self.request.hostname, "hops": hops}
    )
    if created:
        row.hops["database"] = time.perf_counter() - begin
        row.save(update_fields=["hops"])


@app.task(base=BatchTask, name=tasks.RECORD_GROUP)
def record_group(calls: Sequence[Call]) -> None:
    """Write what workers found. It would not be sent again, so its messages stay until the database is there."""
    write([(call.kwargs, call.login) for call in calls])


@app.task(base=BatchTask, name=tasks.RECORD)
def record(calls: Sequence[Call]) -> None:
    """Write what workers found of which one engine was asked."""
    write([({**call.kwargs, "answers": {str(call.kwargs.get("verdict")): call.kwargs}}, call.login) for call in calls])


def write(reports: Sequence[tuple[results.Report, str | None]]) -> None:
    """Write what workers report, each with the login that has sent it."""
    try:
        results.record([report for report, login in reports if logins.speaks_for(str(report.get("worker")), login)])
    except NO_DATABASE as error:
        raise Reject(str(error).strip(), requeue=True) from None


@app.task(bind=True, name=tasks.ANNOUNCE)
def announce(self: Task, worker: str, engines: list[dict[str, Any]]) -> None:
    """Note which engines a worker has."""
    if logins.speaks_for(str(worker), login_of(self)):
        logins.note_clock(worker, (self.request.properties or {}).get("timestamp"))
        note_engines(worker, engines)


def login_of(task: Task) -> str | None:
    """Return the broker's login that sent a task, as RabbitMQ has seen it; None where it was not said."""
    return (task.request.properties or {}).get("user_id")
