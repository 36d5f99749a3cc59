"""Beat that any number of workers may run: the one that holds the lock sends, the others wait for it.

The manual starts all three workers with -B, and plain Celery would then send every periodic task three times. Here an
advisory lock of PostgreSQL decides. It belongs to a database session and goes with it, so that a holder which was
killed is replaced within seconds.

Each run is noted over the very session that holds the lock, before its message is sent. A beat that lost its session
cannot note anything and so sends nothing: at the worst a run is left out, and none is sent twice.
"""

import os
from datetime import datetime
from typing import Any

from billiard.process import current_process
from celery.utils.log import get_logger
from django.db import connections
from django_celery_beat.schedulers import DatabaseScheduler, ModelEntry

from shared import clock

logger = get_logger(__name__)

LOCK = 9_005_100
"""The lock's number: any will do, so long as every node has the same."""

PATIENCE = 2.0
"""Seconds until a beat that may not send, or could not, tries again."""

TRY_LOCK = "SELECT pg_try_advisory_lock(%s), set_config('application_name', %s, false)"
NOTE_RUN = (
    "UPDATE django_celery_beat_periodictask SET last_run_at = %s, total_run_count = total_run_count + 1"
    " WHERE id = %s RETURNING total_run_count"
)
FORGET_FUTURE = (
    "UPDATE django_celery_beat_periodictask SET last_run_at = %s WHERE coalesce(last_run_at, date_changed) > %s",
    "UPDATE django_celery_beat_periodictasks SET last_update = %s WHERE last_update > %s",
)
"""A task that ran while the clock was ahead is due an interval from now, and not when the clock has come there again;
and a change of the schedule is noticed before.
"""


class Lock:
    """The advisory lock, on a database connection that nothing else uses."""

    def __init__(self, owner: str) -> None:
        """Prepare the connection; it is opened when it is needed."""
        self.held = False
        self._owner = owner
        self._connection = connections.create_connection("default")

    def hold(self) -> bool:
        """Make sure that the lock is held: take it if no one has it, or prove that its session still lives."""
        if self.held:
            self._fetch("SELECT 1")
        else:
            self.held = self._fetch(TRY_LOCK, LOCK, f"beat of {self._owner}")[0]
        return self.held

    def note_run(self, task: int, time: datetime) -> int:
        """Note a run of a periodic task while holding the lock, and return how many there were."""
        return self._fetch(NOTE_RUN, time, task)[0]

    def forget_future(self) -> int:
        """Date what was done in the future to now, while holding the lock; return how many rows that were."""
        with self._connection.cursor() as cursor:
            rows = 0
            for sql in FORGET_FUTURE:
                cursor.execute(sql, (clock.now(), clock.horizon()))
                rows += cursor.rowcount
            return rows

    def release(self) -> None:
        """Close the session, and let go of the lock with it."""
        self.held = False
        self._connection.close()

    def _fetch(self, sql: str, *values: Any) -> tuple[Any, ...]:
        with self._connection.cursor() as cursor:
            cursor.execute(sql, values)
            return cursor.fetchone()


class LockedScheduler(DatabaseScheduler):
    """The scheduler of django-celery-beat, sending only while it holds the lock."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Prepare the lock, and remember the worker that this beat belongs to."""
        super().__init__(*args, **kwargs)
        self._lock = Lock(self.app.node)
        self._watch = clock.Watch()
        self._worker = os.getppid() if current_process().name == "Beat" else None

    def setup_schedule(self) -> None:
        """Add nothing: the schedule is in the database, and may be out of reach just now."""

    def tick(self, *args: Any, **kwargs: Any) -> float:
        """Send what is due, if it is for this beat to do. Trouble with database or broker is waited out."""
        if self._worker and self._worker != os.getppid():
            raise SystemExit  # The worker was killed; without it nothing would ever stop this process.
        try:
            was_held, set_back = self._lock.held, self._watch.was_set_back()
            if not self._lock.hold():
                return PATIENCE
            if not was_held:
                logger.info("beat: %s sends the periodic tasks from now on", self.app.node)
            if set_back or not was_held:
                self._read_afresh()
            self.connection.ensure_connection(max_retries=1)
            return super().tick(*args, **kwargs)
        except Exception as error:
            logger.warning("beat: %s lets others send, and tries again soon: %s", self.app.node, str(error).strip())
            self._lock.release()
            return PATIENCE

    def reserve(self, entry: ModelEntry) -> ModelEntry:
        """Note the run before its message is sent, and put the note into the message."""
        following = next(entry)
        number = self._lock.note_run(entry.model.pk, following.last_run_at)
        entry.options["headers"]["beat"] = {
            "number": number,
            "sent_at": following.last_run_at.isoformat(),
            "sent_by": self.app.node,
        }
        return following

    def close(self) -> None:
        """Let go of the lock at the end."""
        super().close()
        self._lock.release()

    def _read_afresh(self) -> None:
        if self._lock.forget_future():
            logger.warning("beat: the clock was ahead: what ran then counts as run now")
        self._initial_read, self._last_timestamp = True, None
        self._heap = None
