"""How the server is: what the page Server Status and the API report."""

from typing import Any

from django.db.models import Count, Q

from scaggr.models import Canary, Engine, Heartbeat, Node, Sample, ScanRun, TaskState, WorkerState
from scaggr.scanning.engines import engine_queues
from shared import clock
from shared.broker import BROKER_ERRORS, depths
from shared.text import brief

QUEUES = ("master", "results", "periodic")

CANARIES = 10
SNAPSHOTS = 20
SHOWN = ("uuid", "name", "state", "worker", "seen_at", "runtime", "exception")


def server_status() -> dict[str, Any]:
    """Return all of it as plain values: each part a list of dictionaries, `broker` the trouble with it or ""."""
    queues, trouble = queue_depths()
    # What was dated while the clock was ahead would be the newest until then.
    until = clock.horizon()
    heartbeats = Heartbeat.objects.filter(sent_at__lte=until)
    clocks = dict(Node.objects.filter(clock__isnull=False).values_list("hostname", "clock"))
    return {
        "broker": trouble,
        "queues": queues,
        "nodes": [node(worker, clocks.get(worker.hostname)) for worker in WorkerState.objects.all()],
        "engines": list(
            Engine.objects.values("name", "worker", "kind", "version", "problem", "warning", "announced_at", "live")
        ),
        "runs": count_runs(),
        "samples": Sample.objects.count(),
        "heartbeat": heartbeats.values("number", "sent_at", "sent_by", "ran_at", "ran_by").first(),
        "canaries": list(Canary.objects.filter(sent_at__lte=until).values("sent_at", "passed", "line")[:CANARIES]),
        "snapshots": list(TaskState.objects.filter(seen_at__lte=until).values(*SHOWN)[:SNAPSHOTS]),
    }


def node(worker: WorkerState, offset: float | None) -> dict[str, Any]:
    """Return a node as the camera saw it last, and by how much its clock is wrong, as people read it."""
    return {
        "hostname": worker.hostname,
        "alive": worker.alive,
        "last_heartbeat": worker.last_heartbeat,
        "active": worker.active,
        "processed": worker.processed,
        "software": worker.software,
        "clock": clock.apart(offset or 0.0),
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
    names = [*QUEUES, *engine_queues(Engine.objects.order_by("name"))]
    try:
        found = depths(names)
    except BROKER_ERRORS as error:
        return [], f"the broker does not answer: {brief(error)}"
    return [{"name": name, "messages": found[name][0], "consumers": found[name][1]} for name in names], ""
