"""Beat after the clock was ahead."""

import importlib
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest


@pytest.fixture
def beat(scaggr: Any) -> Any:
    """The module."""
    return importlib.import_module("scaggr.nodes.beat")


@pytest.fixture
def scheduler(beat: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A beat that may send, without a database; what it does is in `did`."""
    made = object.__new__(beat.LockedScheduler)
    made.did = []
    made.app = SimpleNamespace(node="unit")
    made.connection = SimpleNamespace(ensure_connection=lambda **_: None)
    made._worker = None
    made._watch = SimpleNamespace(was_set_back=lambda: False)
    made._lock = SimpleNamespace(held=False, hold=lambda: True, forget_future=lambda: made.did.append("forgot"))
    monkeypatch.setattr(beat.DatabaseScheduler, "tick", lambda self: made.did.append("tick"))
    return made


def test_the_schedule_is_read_again_after_the_clock_was_set_back(scheduler: Any) -> None:
    """At the beginning, and each time that happens: what ran in the future would not be due until then."""
    scheduler.tick()
    scheduler._lock.held = True
    scheduler._last_timestamp = scheduler._heap = "ahead"
    scheduler.tick()
    assert scheduler.did == ["forgot", "tick", "tick"]
    scheduler._initial_read = False
    scheduler._watch.was_set_back = lambda: True
    scheduler.tick()
    assert scheduler.did == ["forgot", "tick", "tick", "forgot", "tick"]
    assert (scheduler._initial_read, scheduler._heap, scheduler._last_timestamp) == (True, None, None)


def test_what_is_forgotten(beat: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of tasks and of the schedule's last change, what is later than now counts as now."""
    asked = []
    lock = object.__new__(beat.Lock)

    class Cursor:
        """Two rows each time."""

        rowcount = 2

        def __enter__(self) -> "Cursor":
            return self

        def __exit__(self, *_: object) -> None:
            pass

        def execute(self, sql: str, values: tuple[Any, ...]) -> None:
            asked.append((sql.split()[1], *values))

    lock._connection = SimpleNamespace(cursor=Cursor)
    assert lock.forget_future() == 4
    assert [table for table, *_ in asked] == ["django_celery_beat_periodictask", "django_celery_beat_periodictasks"]
    for _, now, latest in asked:
        assert timedelta(seconds=9) < latest - now < timedelta(seconds=11)
