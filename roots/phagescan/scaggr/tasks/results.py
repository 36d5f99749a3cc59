"""What node master.results does. Anything may be in what it is given: workers write to its queue."""

import time
from typing import Any

from celery import Task
from celery.exceptions import Reject
from celery.utils.log import get_task_logger
from django.db import InterfaceError, OperationalError

from scaggr.models import Canary
from scaggr.nodes import logins
from scaggr.scanning import results
from scaggr.scanning.engines import announce as note_engines
from shared import tasks
from shared.app import app

logger = get_task_logger(__name__)

PAUSE = 5.0
"""Seconds before an answer goes back to its queue, so that it does not circle too fast."""


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


@app.task(bind=True, name=tasks.RECORD)
def record(self: Task, **answer: Any) -> None:
    """Write what a worker found. Nobody would send it again, so its message stays until the database is there."""
    try:
        if logins.speaks_for(str(answer.get("worker")), login_of(self)):
            results.record(**answer)
    except (OperationalError, InterfaceError) as error:
        logger.warning("an answer goes back to its queue: %s", str(error).strip())
        time.sleep(PAUSE)
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
