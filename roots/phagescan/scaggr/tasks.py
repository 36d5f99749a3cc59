"""The tasks of the master's nodes. A message may be delivered twice, so each task may run twice and does no harm."""

import time
from datetime import datetime, timedelta
from typing import Any

from celery import Task
from django.db import InterfaceError, OperationalError
from django.utils import timezone

from scaggr import scans
from scaggr.celery import app
from scaggr.models import Canary, Heartbeat, TaskState, WorkerState

KEEP = timedelta(days=7)


def home_id(canary: str) -> str:
    """Name the second task of a canary after the first, so that a repeated first one does not make two."""
    return f"{canary}-home"


@app.task(bind=True, name="scaggr.canary_out")
def canary_out(self: Task, sent: float) -> None:
    """Fly from the queue master to the queue results."""
    canary_home.apply_async(
        args=[self.request.id, self.request.hostname, time.time() - sent, time.time()],
        task_id=home_id(self.request.id),
        expires=self.request.expires,
    )


@app.task(bind=True, name="scaggr.canary_home")
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


@app.task(bind=True, name="scaggr.heartbeat")
def heartbeat(self: Task) -> None:
    """Show that the periodic tasks are sent and run."""
    beat = self.request.get("beat") or {}
    Heartbeat.objects.get_or_create(
        id=self.request.id,
        defaults={
            "number": beat.get("number", 0),
            "sent_at": datetime.fromisoformat(beat["sent_at"]) if beat else timezone.now(),
            "sent_by": beat.get("sent_by", "nobody"),
            "ran_by": self.request.hostname,
        },
    )


@app.task(name="scaggr.prune")
def prune() -> None:
    """Remove records that are older than anyone asks for."""
    old = timezone.now() - KEEP
    Canary.objects.filter(sent_at__lt=old).delete()
    Heartbeat.objects.filter(sent_at__lt=old).delete()
    TaskState.objects.filter(seen_at__lt=old).delete()
    WorkerState.objects.filter(last_heartbeat__lt=old).delete()
    scans.prune_incoming()


@app.task(name="scaggr.dispatch")
def dispatch(run_id: str) -> None:
    """Send a run to the engines. One that fails is taken up by scaggr.refresh_engines."""
    scans.dispatch(run_id)


# The one message that nobody would send again, so it outlives a database that is away: for most of an hour.
@app.task(
    name="scaggr.record",
    autoretry_for=(OperationalError, InterfaceError),
    max_retries=100,
    retry_backoff=1,
    retry_backoff_max=30,
)
def record(**answer: Any) -> None:
    """Write what a worker found."""
    scans.record(**answer)


@app.task(name="scaggr.announce")
def announce(worker: str, engines: list[dict[str, Any]]) -> None:
    """Note which engines a worker has."""
    scans.announce(worker, engines)


@app.task(name="scaggr.refresh_engines")
def refresh_engines() -> None:
    """Take silent workers' engines out of use, and dispatch the runs that still wait for one."""
    scans.refresh_engines()
    scans.dispatch_waiting()


@app.task(name="scaggr.expire_runs")
def expire_runs() -> None:
    """End the runs whose time is over."""
    scans.expire()
