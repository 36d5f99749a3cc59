"""Runs, once they are asked for: how long they wait, how they are locked, and how they end.

Messages are delivered at least once and processes are killed at any point. So whatever changes a run or its verdicts
locks the run first, looks at it again, and does nothing where it was done already.
"""

from collections.abc import Iterable
from datetime import timedelta
from typing import Any, TypeGuard
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from scaggr.models import ScanRun, Verdict

Outcome = Verdict.Outcome


def expire() -> None:
    """End the runs whose time is over."""
    late = ScanRun.objects.filter(finished_at=None, created_at__lt=timezone.now() - lifetime())
    for run_id in late.values_list("id", flat=True):
        with transaction.atomic():
            run = lock_run(id=run_id)
            if run is None or run.finished_at:
                continue
            pending = list(run.verdicts.filter(outcome=Outcome.PENDING))
            give_up(run, pending, Outcome.TIMED_OUT, "no answer")


def give_up(run: ScanRun, verdicts: Iterable[Verdict], outcome: str, error: str) -> None:
    """End verdicts in the master's own name, and with them perhaps their run, which is locked."""
    for verdict in verdicts:
        verdict.outcome, verdict.error, verdict.worker = outcome, error, ""
        verdict.answered_at = timezone.now()
        verdict.save(update_fields=["outcome", "error", "worker", "answered_at"])
    close_if_complete(run)


def close_if_complete(run: ScanRun) -> None:
    """End a run that waits for no verdict; it is locked."""
    if run.finished_at or run.verdicts.filter(outcome=Outcome.PENDING).exists():
        return
    run.finished_at = timezone.now()
    # A worker can be quicker than the note that its message was sent.
    if run.dispatched_at is None and run.verdicts.exists():
        run.dispatched_at = run.finished_at
    run.save(update_fields=["dispatched_at", "finished_at"])


def lock_run(**which: Any) -> ScanRun | None:
    """Lock a run until the end of the transaction. Whatever else changes it or its verdicts waits."""
    return ScanRun.objects.select_for_update(of=("self",), no_key=True).order_by().filter(**which).first()


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


def is_open(run: ScanRun | None) -> TypeGuard[ScanRun]:
    """Tell whether a run is still to be dispatched."""
    return run is not None and run.dispatched_at is None and run.finished_at is None


def as_uuid(value: Any) -> UUID | None:
    """Return the UUID that a text is."""
    try:
        return UUID(str(value))
    except ValueError:
        return None


def lifetime() -> timedelta:
    """Return how long a run waits for its verdicts."""
    return timedelta(seconds=settings.SCAN_EXPIRES)
