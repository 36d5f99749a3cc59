"""How the server is: what the page Server Status and the API report."""

from typing import Any

from django.db.models import Count, Q

from scaggr.broker import BROKER_ERRORS, depths
from scaggr.models import Canary, Engine, Heartbeat, Sample, ScanRun, TaskState, WorkerState
from scaggr.queues import engine_queue
from scaggr.text import brief

QUEUES = ("master", "results", "periodic")

CANARIES = 10
SNAPSHOTS = 20


def server_status() -> dict[str, Any]:
    """Return all of it as plain values: each part a list of dictionaries, `broker` the trouble with it or ""."""
    queues, trouble = queue_depths()
    heartbeat = Heartbeat.objects.values("number", "sent_at", "sent_by", "ran_at", "ran_by").first()
    return {
        "broker": trouble,
        "queues": queues,
        "nodes": [node(worker) for worker in WorkerState.objects.all()],
        "engines": list(
            Engine.objects.values("name", "worker", "kind", "version", "problem", "warning", "announced_at", "live")
        ),
        "runs": count_runs(),
        "samples": Sample.objects.count(),
        "heartbeat": heartbeat,
        "canaries": list(Canary.objects.values("sent_at", "passed", "line")[:CANARIES]),
        "snapshots": list(
            TaskState.objects.values("uuid", "name", "state", "worker", "seen_at", "runtime", "exception")[:SNAPSHOTS]
        ),
    }


def node(worker: WorkerState) -> dict[str, Any]:
    """Return a node as the camera saw it last."""
    return {
        "hostname": worker.hostname,
        "alive": worker.alive,
        "last_heartbeat": worker.last_heartbeat,
        "active": worker.active,
        "processed": worker.processed,
        "software": worker.software,
    }


def count_runs() -> dict[str, int]:
    """Count the runs by their status."""
    return ScanRun.objects.aggregate(
        waiting=Count("id", filter=Q(finished_at=None, dispatched_at=None)),
        scanning=Count("id", filter=Q(finished_at=None, dispatched_at__isnull=False)),
        done=Count("id", filter=Q(finished_at__isnull=False, dispatched_at__isnull=False)),
        expired=Count("id", filter=Q(finished_at__isnull=False, dispatched_at=None)),
    )


def queue_depths() -> tuple[list[dict[str, Any]], str]:
    """Ask the broker about each queue, and say what is wrong with it."""
    engines = Engine.objects.order_by("name").values_list("name", flat=True).distinct()
    names = [*QUEUES, *(engine_queue(name).name for name in engines)]
    try:
        found = depths(names)
    except BROKER_ERRORS as error:
        return [], f"the broker does not answer: {brief(error)}"
    return [{"name": name, "messages": found[name][0], "consumers": found[name][1]} for name in names], ""
