"""Runs, once they are asked for: how long they wait, how they are locked, and how they end.

Messages are delivered at least once and processes are killed at any point. So whatever changes a run or its verdicts
locks the run first, looks at it again, and does nothing where it was done already.
"""

from collections.abc import Collection, Iterable
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import InterfaceError, OperationalError, transaction
from django.db.models.functions import Coalesce
from django.utils import timezone

from scaggr.models import ScanRun, Verdict

Outcome = Verdict.Outcome

NO_DATABASE = (InterfaceError, OperationalError)
"""What is raised where the database is away: the same may succeed later."""


def expire() -> None:
    """End the runs whose time is over."""
    late = ScanRun.objects.filter(finished_at=None, created_at__lt=timezone.now() - lifetime())
    for run_id in late.values_list("id", flat=True):
        with transaction.atomic():
            for run in locked(id=run_id, finished_at=None):
                if pending := list(run.verdicts.filter(outcome=Outcome.PENDING)):
                    give_up(run, pending, Outcome.TIMED_OUT, "no answer")
                else:
                    run.finished_at = timezone.now()
                    run.save(update_fields=["finished_at"])


def locked(**which: Any) -> list[ScanRun]:
    """Lock runs until the end of the transaction. Whatever else changes one or its verdicts
    waits; it locks in the same order.
    """
    runs = ScanRun.objects.only("sample", "dispatched_at", "finished_at")
    return list(runs.select_for_update(of=("self",), no_key=True).order_by("id").filter(**which))


def give_up(run: ScanRun, verdicts: Iterable[Verdict], outcome: str, error: str) -> None:
    """End verdicts in the master's own name, and with them perhaps their run, which is locked."""
    for verdict in verdicts:
        verdict.outcome, verdict.error, verdict.worker = outcome, error, ""
        verdict.answered_at = timezone.now()
        verdict.save(update_fields=["outcome", "error", "worker", "answered_at"])
    close_complete([run.id])


def close_complete(run_ids: Collection[UUID]) -> None:
    """End those runs that wait for no verdict any more; they are locked."""
    now = timezone.now()
    waiting = Verdict.objects.filter(run__in=run_ids, outcome=Outcome.PENDING).order_by().values_list("run", flat=True)
    ended = ScanRun.objects.filter(id__in={*run_ids} - {*waiting}, finished_at=None)
    # A worker can be quicker than the note that its message was sent.
    ended.update(finished_at=now, dispatched_at=Coalesce("dispatched_at", now))


def summary(run: ScanRun) -> dict[str, Any]:
    """Return `status`, `infected` and `threats`, the names that the engines gave.

    A sample is not infected (false) when an engine looked for infection and found none, and every other one has looked
    as well. Where one failed it is not known (null).
    """
    verdicts = run.verdicts.all()
    outcomes = {verdict.outcome for verdict in verdicts}
    infected = None
    if Outcome.INFECTED in outcomes:
        infected = True
    elif Outcome.CLEAN in outcomes and outcomes <= {Outcome.CLEAN, Outcome.DESCRIBED}:
        infected = False
    threats = {verdict.name: None for verdict in verdicts if verdict.outcome == Outcome.INFECTED and verdict.name}
    return {"status": run.status.value, "infected": infected, "threats": list(threats)}


def as_uuid(value: Any) -> UUID | None:
    """Return the UUID that a text is."""
    try:
        return UUID(str(value))
    except ValueError:
        return None


def lifetime() -> timedelta:
    """Return how long a run waits for its verdicts."""
    return timedelta(seconds=settings.SCAN_EXPIRES)
