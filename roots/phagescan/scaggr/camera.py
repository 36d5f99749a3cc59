"""CeleryCAM: takes a snapshot of the nodes and their tasks every few seconds and keeps it in the database.

celery -A scaggr events --camera scaggr.camera.Camera --frequency 2

Whatever runs tasks sends events, and what is in one is its sender's word. A row that cannot be is left out.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from celery.events.snapshot import Polaroid
from celery.events.state import State, Task, Worker
from celery.utils.log import get_logger
from django.db import DataError, Error, IntegrityError, close_old_connections, connection, transaction

from scaggr.models import TaskState, WorkerState
from shared import clock
from shared.text import clip, seconds

logger = get_logger(__name__)

BAD_ROW = (ArithmeticError, AttributeError, DataError, IntegrityError, TypeError, ValueError)
"""What a row meets that is not as it should be. The database itself is well then."""

EXCEPTION_LENGTH = 2000


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
                    forget_future(worker)
                    write(write_worker, worker)
                for task in changed:
                    write(write_task, task)
        except Error as error:
            logger.error("camera: snapshot not written, the next one makes up for it: %s", str(error).strip())
            connection.close()
        else:
            self._written = marks


def write(write_row: Callable[[Any], None], what: Worker | Task) -> None:
    """Write a row, or leave it out: update_or_create has a savepoint of its own, so the others stay."""
    try:
        write_row(what)
    except BAD_ROW as error:
        logger.warning("camera: %s: %.200r left out: %.200s", type(what).__name__, what.id, str(error).strip())


def forget_future(worker: Worker) -> None:
    """Drop what was heard of a node while the clock was ahead: by that it would be alive until then."""
    latest = clock.horizon().timestamp()
    worker.heartbeats[:] = [heard for heard in worker.heartbeats if heard <= latest]


def write_worker(worker: Worker) -> None:
    """Record a node; one that is silent and was forgotten meanwhile stays so."""
    known = {
        "online": worker.alive,
        "last_heartbeat": moment(worker.heartbeats[-1] if worker.heartbeats else None),
        "active": count(worker.active, 2**31),
        "processed": count(worker.processed, 2**63),
        "software": clip(" ".join(filter(None, (worker.sw_ident, worker.sw_ver))), 255) or None,
    }
    hostname, values = clip(worker.hostname, 255), without_none(known)
    if worker.alive:
        WorkerState.objects.update_or_create(hostname=hostname, defaults=values)
    else:
        WorkerState.objects.filter(hostname=hostname).update(**values)


def write_task(task: Task) -> None:
    """Record a task. What no event has reported is left as it was: the camera may have come late."""
    known = {
        "name": task.name and clip(task.name, 255),
        "state": clip(task.state, 64),
        "worker": clip(task.worker.hostname, 255) if task.worker else None,
        "received_at": moment(task.received),
        "seen_at": moment(task.timestamp),
        "runtime": seconds(task.runtime),
        "exception": task.exception and clip(task.exception, EXCEPTION_LENGTH),
    }
    TaskState.objects.update_or_create(uuid=clip(task.uuid, 255), defaults=without_none(known))


def moment(since: float | None) -> datetime | None:
    """Turn an event's time into a date."""
    return None if since is None else datetime.fromtimestamp(since, UTC)


def count(number: Any, limit: int) -> int | None:
    """Return a number that its column can hold, or None for what is none."""
    return number if isinstance(number, int) and 0 <= number < limit else None


def without_none(known: dict[str, Any]) -> dict[str, Any]:
    """Keep what is known."""
    return {key: value for key, value in known.items() if value is not None}
