"""CeleryCAM: takes a snapshot of the nodes and their tasks every few seconds and keeps it in the database.

celery -A scaggr events --camera scaggr.camera.Camera --frequency 2

Whatever runs tasks sends events, and what is in one is its sender's word. A row that cannot be is left out.
"""

import time
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from itertools import islice
from typing import Any

from celery.events.snapshot import Polaroid
from celery.events.state import State, Task, Worker
from celery.utils.log import get_logger
from django.db import DataError, Error, IntegrityError, close_old_connections, connection, transaction
from django.db.models import Model

from scaggr.models import TaskState, WorkerState
from shared import clock
from shared.text import clip, seconds

logger = get_logger(__name__)

BAD_ROW = (ArithmeticError, AttributeError, OSError, TypeError, ValueError)
"""What is raised where an event says what no row can hold."""

EXCEPTION_LENGTH = 2000

AT_ONCE = 5000
"""Tasks that one snapshot writes: what is left is written by the next."""

MOST = 100_000
"""Tasks that are kept: at 4,000 samples a minute, those of the last eight minutes. A week of them would take a disk."""

EVERY = 30.0
"""Seconds from one look at how many tasks are kept to the next."""

TEXTS = ("name", "worker", "exception", "software")
"""Columns that are empty where nothing is known."""

Row = Mapping[str, Any]


class Camera(Polaroid):
    """Writes what changed since the last snapshot that reached the database."""

    def __init__(self, state: State, *args: Any, **kwargs: Any) -> None:
        """Begin with nothing written."""
        super().__init__(state, *args, **kwargs)
        self.changed: dict[str, None] = {}
        self.counted = time.monotonic()
        state.event_callback = self.note

    def note(self, state: State, event: dict[str, Any]) -> None:
        """Note of an event which task it has changed. No more are remembered than Celery remembers."""
        if str(event.get("type")).startswith("task-") and (uuid := event.get("uuid")):
            self.changed[uuid] = None
            if len(self.changed) > state.max_tasks_in_memory:
                del self.changed[next(iter(self.changed))]

    def on_shutter(self, state: State) -> None:
        """Write a snapshot; one that fails is made up for by the next."""
        for worker in state.workers.values():
            forget_future(worker)
        owed = list(islice(self.changed, AT_ONCE))
        tasks = [task for uuid in owed if (task := state.tasks.get(uuid))]
        try:
            close_old_connections()
            with transaction.atomic():
                write(WorkerState, "hostname", rows(worker_row, (w for w in state.workers.values() if w.alive)))
                # One that is silent and was forgotten meanwhile stays so.
                silent = [clip(worker.hostname, 255) for worker in state.workers.values() if not worker.alive]
                WorkerState.objects.filter(hostname__in=silent, online=True).update(online=False)
                write(TaskState, "uuid", rows(task_row, tasks))
            self.remove_oldest()
        except Error as error:
            logger.error("camera: snapshot not written, the next one makes up for it: %s", str(error).strip())
            connection.close()
        else:
            for uuid in owed:
                self.changed.pop(uuid, None)

    def remove_oldest(self) -> None:
        """Keep no more tasks than MOST."""
        if time.monotonic() < self.counted + EVERY:
            return
        self.counted = time.monotonic()
        for last in TaskState.objects.order_by("-seen_at").values_list("seen_at", flat=True)[MOST : MOST + 1]:
            TaskState.objects.filter(seen_at__lte=last).delete()


def rows(make: Callable[[Any], Row], what: Iterable[Any]) -> list[Row]:
    """Make the rows of what is as it should be, and leave the rest out."""
    made = []
    for each in what:
        try:
            made.append(make(each))
        except BAD_ROW as error:
            logger.warning("camera: %s: %.200r left out: %.200s", type(each).__name__, each.id, str(error).strip())
    return made


def write(model: type[Model], key: str, made: list[Row]) -> None:
    """Write rows in one statement. What no event has reported is left as it was: the camera may have come late."""
    by_key = {row[key]: row for row in made}
    if not by_key:
        return
    table, names = model._meta.db_table, list(made[0])
    given = [
        model._meta.get_field(name).get_db_prep_save(row[name], connection) for row in by_key.values() for name in names
    ]
    places = f"({', '.join(['%s'] * len(names))})"
    known = (f"{name} = COALESCE(NULLIF(EXCLUDED.{name}, ''), {table}.{name})" for name in names if name in TEXTS)
    others = (f"{name} = COALESCE(EXCLUDED.{name}, {table}.{name})" for name in names if name not in (key, *TEXTS))
    statement = (
        f"INSERT INTO {table} ({', '.join(names)}) VALUES {', '.join([places] * len(by_key))}"  # noqa: S608  of models
        f" ON CONFLICT ({key}) DO UPDATE SET {', '.join((*known, *others))}"
    )
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(statement, given)
    except (DataError, IntegrityError) as error:
        if len(by_key) == 1:
            logger.warning("camera: %.200r left out: %.200s", made[0][key], str(error).strip())
            return
        for row in by_key.values():
            write(model, key, [row])


def forget_future(worker: Worker) -> None:
    """Drop what was heard of a node while the clock was ahead: by that it would be alive until then."""
    latest = clock.horizon().timestamp()
    worker.heartbeats[:] = [heard for heard in worker.heartbeats if heard <= latest]


def worker_row(worker: Worker) -> Row:
    """Return what is known of a node."""
    return {
        "hostname": clip(worker.hostname, 255),
        "online": worker.alive,
        "last_heartbeat": moment(worker.heartbeats[-1] if worker.heartbeats else None),
        "active": count(worker.active, 2**31) or 0,
        "processed": count(worker.processed, 2**63) or 0,
        "software": clip(" ".join(filter(None, (worker.sw_ident, worker.sw_ver))), 255),
    }


def task_row(task: Task) -> Row:
    """Return what is known of a task."""
    return {
        "uuid": clip(task.uuid, 255),
        "name": clip(task.name or "", 255),
        "state": clip(task.state, 64),
        "worker": clip(task.worker.hostname, 255) if task.worker else "",
        "received_at": moment(task.received),
        "seen_at": moment(float(task.timestamp)),
        "runtime": seconds(task.runtime),
        "exception": clip(task.exception or "", EXCEPTION_LENGTH),
    }


def moment(since: float | None) -> datetime | None:
    """Turn an event's time into a date."""
    return None if since is None else datetime.fromtimestamp(since, UTC)


def count(number: Any, limit: int) -> int | None:
    """Return a number that its column can hold, or None for what is none."""
    return number if isinstance(number, int) and 0 <= number < limit else None
