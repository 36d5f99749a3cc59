"""CeleryCAM: takes a snapshot of the nodes and their tasks every few seconds and keeps it in the database.

celery -A scaggr events --camera scaggr.camera.Camera --frequency 2

Whatever runs tasks sends events, and what is in one is its sender's word. A row that cannot be is left out.
"""

from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from itertools import groupby, islice
from typing import Any

from celery.events.snapshot import Polaroid
from celery.events.state import State, Task, Worker
from celery.utils.log import get_logger
from django.db import DataError, Error, IntegrityError, close_old_connections, connection, transaction
from django.db.models import Model, Q

from scaggr.models import TaskState, WorkerState
from scaggr.models.nodes import KEEP
from scaggr.nodes import logins
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
"""Seconds from one removal of the oldest to the next: at 12,000 tasks a minute, 6,000 of them."""

REMOVED = 50_000
"""Tasks that are removed at once: a table that a release before has filled is emptied bit by bit."""

TEXTS = ("name", "worker", "exception", "software")
"""Columns that are empty where nothing is known."""

Row = Mapping[str, Any]


class Camera(Polaroid):
    """Writes what changed since the last snapshot that reached the database."""

    def __init__(self, state: State, *args: Any, **kwargs: Any) -> None:
        """Begin with nothing written."""
        super().__init__(state, *args, cleanup_freq=EVERY, **kwargs)
        self.changed: dict[str, None] = {}
        state.event_callback = self.note
        state.workers.limit = logins.MOST
        # Celery keeps the last 40,000 events in order. Nothing here asks for them; it goes wrong with less than two.
        state.heap_multiplier = 3 / state.max_tasks_in_memory

    def note(self, state: State, event: dict[str, Any]) -> None:
        """Note of an event which task it has changed. No more are remembered than Celery remembers."""
        if uuid := event.get("uuid"):
            self.changed[uuid] = None
            if len(self.changed) > state.max_tasks_in_memory:
                del self.changed[next(iter(self.changed))]

    def on_shutter(self, state: State) -> None:
        """Write a snapshot; one that fails is made up for by the next."""
        for worker in state.workers.values():
            forget_future(worker)
        owed = list(islice(self.changed, AT_ONCE))
        # LRUCache moves what it is asked for behind all others.
        tasks = [task for uuid in owed if (task := state.tasks.data.get(uuid))]
        try:
            close_old_connections()
            with transaction.atomic():
                write(WorkerState, "hostname", rows(worker_row, (w for w in state.workers.values() if w.alive)))
                # One that is silent and was forgotten meanwhile stays so.
                silent = [clip(worker.hostname, 255) for worker in state.workers.values() if not worker.alive]
                WorkerState.objects.filter(hostname__in=silent, online=True).update(online=False)
                write(TaskState, "uuid", rows(task_row, tasks))
        except Error as error:
            logger.error("camera: snapshot not written, the next one makes up for it: %s", str(error).strip())
            connection.close()
        else:
            for uuid in owed:
                self.changed.pop(uuid, None)

    def on_cleanup(self) -> None:
        """Remove the oldest; events are received meanwhile."""
        try:
            close_old_connections()
            remove_tasks()
            remove_workers()
        except Error as error:
            logger.error("camera: the oldest records are not removed: %s", str(error).strip())
            connection.close()


def remove_tasks() -> None:
    """Remove tasks above MOST, those older than KEEP, and those dated ahead, which would be the newest until then."""
    until = clock.horizon()
    beyond = TaskState.objects.filter(seen_at__lte=until).values_list("seen_at", flat=True)[MOST : MOST + 1]
    oldest = max([clock.now() - KEEP, *beyond])
    leaving = TaskState.objects.filter(Q(seen_at__lte=oldest) | Q(seen_at__gt=until)).order_by("seen_at")
    TaskState.objects.filter(uuid__in=leaving.values("uuid")[:REMOVED]).delete()


def remove_workers() -> None:
    """Keep the nodes that are online or were heard last, as many as may be known."""
    kept = WorkerState.objects.order_by("-online", "-last_heartbeat")[: logins.MOST]
    WorkerState.objects.exclude(hostname__in=kept.values("hostname")).delete()


def rows(make: Callable[[Any], Row], what: Iterable[Any]) -> list[Row]:
    """Make the rows of what is as it should be, and leave the rest out."""
    made = []
    for each in what:
        try:
            made.append(make(each))
        except BAD_ROW as error:
            logger.warning("camera: %s: %.200r left out: %.200s", type(each).__name__, each.id, str(error).strip())
    return made


def write(model: type[Model], key: str, made: Iterable[Row]) -> None:
    """Write rows in one statement, or in one for each set of columns that is known."""
    by_key = {row[key]: row for row in made}
    for _, alike in groupby(sorted(by_key.values(), key=list), key=list):
        write_alike(model, key, list(alike))


def write_alike(model: type[Model], key: str, made: list[Row]) -> None:
    """Write rows of the same columns. If they cannot be written their halves are tried, so a bad row costs itself."""
    names = list(made[0])
    given = [model._meta.get_field(name).get_db_prep_save(row[name], connection) for row in made for name in names]
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(statement(model._meta.db_table, key, names, len(made)), given)
    except (DataError, IntegrityError) as error:
        if len(made) == 1:
            logger.warning("camera: %.200r left out: %.200s", made[0][key], str(error).strip())
            return
        middle = len(made) // 2
        write_alike(model, key, made[:middle])
        write_alike(model, key, made[middle:])


def statement(table: str, key: str, names: list[str], count: int) -> str:
    """Make the statement that writes so many rows. What no event has reported is left as it was: the camera may have
    come late.
    """
    places = ", ".join([f"({', '.join(['%s'] * len(names))})"] * count)
    new = {name: f"NULLIF(EXCLUDED.{name}, '')" if name in TEXTS else f"EXCLUDED.{name}" for name in names}
    known = ", ".join(f"{name} = COALESCE({new[name]}, {table}.{name})" for name in names if name != key)
    columns = ", ".join(names)
    return f"INSERT INTO {table} ({columns}) VALUES {places} ON CONFLICT ({key}) DO UPDATE SET {known}"  # noqa: S608


def forget_future(worker: Worker) -> None:
    """Drop what was heard of a node while the clock was ahead: by that it would be alive until then."""
    latest = clock.horizon().timestamp()
    worker.heartbeats[:] = [heard for heard in worker.heartbeats if heard <= latest]


def worker_row(worker: Worker) -> Row:
    """Return what is known of a node. Its tasks may be heard of before itself: its numbers are not known then."""
    numbers = {"active": count(worker.active, 2**31), "processed": count(worker.processed, 2**63)}
    return {
        "hostname": clip(worker.hostname, 255),
        "online": worker.alive,
        "last_heartbeat": moment(worker.heartbeats[-1] if worker.heartbeats else None),
        "software": clip(" ".join(filter(None, (worker.sw_ident, worker.sw_ver))), 255),
        **{name: number for name, number in numbers.items() if number is not None},
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
