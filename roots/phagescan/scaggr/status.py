"""How the server is: what the page Server Status and the API tell."""

from typing import Any

from amqp.exceptions import NotFound
from django.db.models import Count, Q

from scaggr.celery import app
from scaggr.models import Canary, Engine, Heartbeat, Sample, ScanRun, TaskState, WorkerState
from scaggr.publisher import BROKER_ERRORS

QUEUES = ("master", "results", "periodic")

TIMEOUT = 0.7
"""Seconds that the broker has for an answer. At the worst three are waited for: the page has to stay quick."""

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
        "engines": list(Engine.objects.values("name", "worker", "kind", "version", "problem", "announced_at", "live")),
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
    """Ask the broker how many messages wait in each queue and how many consumers it has; tell what is wrong with it."""
    names = [*QUEUES, *(f"engine.{name}" for name in Engine.objects.order_by("name").values_list("name", flat=True).distinct())]
    connection = app.connection_for_read(
        connect_timeout=TIMEOUT, transport_options={"read_timeout": TIMEOUT, "write_timeout": TIMEOUT}
    )
    depths = []
    try:
        connection.connect()
        for name in names:
            depths.append({"name": name, **depth(connection.channel(), name)})
    except BROKER_ERRORS as error:
        return depths, f"the broker does not answer: {(str(error).strip() or type(error).__name__).splitlines()[0]}"
    finally:
        connection.collect()
    return depths, ""


def depth(channel: Any, queue: str) -> dict[str, int]:
    """Look at a queue without making it. The broker closes the channel where there is none."""
    try:
        found = channel.queue_declare(queue, passive=True)
    except NotFound:
        return {"messages": 0, "consumers": 0}
    channel.close()
    return {"messages": found.message_count, "consumers": found.consumer_count}
