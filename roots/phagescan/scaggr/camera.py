"""CeleryCAM: takes a snapshot of the nodes and their tasks every few seconds and keeps it in the database.

celery -A scaggr events --camera scaggr.camera.Camera --frequency 2
"""

from datetime import UTC, datetime
from typing import Any

from celery.events.snapshot import Polaroid
from celery.events.state import State, Task, Worker
from celery.utils.log import get_logger
from django.db import Error, close_old_connections, connection, transaction

from scaggr.models import TaskState, WorkerState

logger = get_logger(__name__)


class Camera(Polaroid):
    """Writes what changed since the last snapshot that reached the database."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Begin with nothing written."""
        super().__init__(*args, **kwargs)
        self._written: dict[str, tuple[float, str]] = {}

    def on_shutter(self, state: State) -> None:
        """Write a snapshot; one that fails is made up for by the next."""
        marks = {uuid: (task.timestamp, task.state) for uuid, task in state.tasks.items()}
        changed = [task for uuid, task in state.tasks.items() if self._written.get(uuid) != marks[uuid]]
        try:
            close_old_connections()
            with transaction.atomic():
                for worker in state.workers.values():
                    write_worker(worker)
                for task in changed:
                    write_task(task)
        except Error as error:
            logger.error("camera: snapshot not written, the next one makes up for it: %s", str(error).strip())
            connection.close()
        else:
            self._written = marks


def write_worker(worker: Worker) -> None:
    """Record a node."""
    known = {
        "online": worker.alive,
        "last_heartbeat": moment(worker.heartbeats[-1] if worker.heartbeats else None),
        "active": worker.active,
        "processed": worker.processed,
        "software": " ".join(filter(None, (worker.sw_ident, worker.sw_ver))) or None,
    }
    WorkerState.objects.update_or_create(hostname=worker.hostname, defaults=without_none(known))


def write_task(task: Task) -> None:
    """Record a task. What no event has told is left as it was: the camera may have come late."""
    known = {
        "name": task.name,
        "state": task.state,
        "worker": task.worker.hostname if task.worker else None,
        "received_at": moment(task.received),
        "seen_at": moment(task.timestamp),
        "runtime": task.runtime,
        "exception": task.exception,
    }
    TaskState.objects.update_or_create(uuid=task.uuid, defaults=without_none(known))


def moment(seconds: float | None) -> datetime | None:
    """Turn an event's time into a date."""
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)


def without_none(known: dict[str, Any]) -> dict[str, Any]:
    """Keep what is known."""
    return {key: value for key, value in known.items() if value is not None}
