"""What is asked of the engines: a run is sent to every engine that has a live worker."""

import logging
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from scaggr.models import Engine, ScanRun, Verdict
from scaggr.scanning.claim import signature
from scaggr.scanning.runs import is_open, lifetime, lock_run
from shared import tasks
from shared.broker import BROKER_ERRORS, depths, publish
from shared.queues import engine_queue

logger = logging.getLogger(__name__)

PATIENCE = timedelta(seconds=5)
"""How old a run is when the message that should have it dispatched counts as lost."""

AT_ONCE = 200
"""How many such runs are dispatched at a time: the rest waits for the next time."""

LONGEST = timedelta(days=49)
"""What RabbitMQ counts of a message's life: milliseconds, in 32 bits."""


def request_dispatch(run_id: UUID, **options: Any) -> bool:
    """Ask master.master to dispatch a run. If the broker is away, scaggr.refresh_engines asks again."""
    try:
        publish(tasks.DISPATCH, kwargs={"run_id": str(run_id)}, **options)
    except BROKER_ERRORS as error:
        logger.warning("run %s waits until the broker is back: %s", run_id, error)
        return False
    return True


def dispatch(run_id: str) -> None:
    """Send a run to every engine that has a live worker. Without any, it waits."""
    with transaction.atomic():
        run = lock_run(id=run_id)
        if not is_open(run):
            return
        if not run.verdicts.exists():
            names = Engine.objects.filter(live=True).order_by("name").values_list("name", flat=True).distinct()
            Verdict.objects.bulk_create(Verdict(run=run, engine=name) for name in names)
    # The rows are there for any worker to see. The lock keeps a second dispatch from sending the same.
    with transaction.atomic():
        run = lock_run(id=run_id)
        if not is_open(run):
            return
        verdicts = list(run.verdicts.all())
        left = run.created_at + lifetime() - timezone.now()
        if not verdicts or left <= timedelta(0):
            return
        for verdict in verdicts:
            if verdict.outcome == Verdict.Outcome.PENDING:
                publish(
                    tasks.SCAN,
                    kwargs={"engine": verdict.engine, "signed": signature(verdict)},
                    queue=engine_queue(verdict.engine),
                    task_id=str(verdict.id),
                    # The broker's to drop it then: of when a scan is too late no worker's clock decides.
                    expiration=min(left, lifetime(), LONGEST).total_seconds(),
                )
        run.dispatched_at = timezone.now()
        run.save(update_fields=["dispatched_at"])


def dispatch_waiting() -> None:
    """Ask again for the runs that were not dispatched: their message was lost, or no engine was there."""
    now = timezone.now()
    waiting = ScanRun.objects.filter(
        finished_at=None, dispatched_at=None, created_at__lt=now - PATIENCE, created_at__gt=now - lifetime()
    )
    run_ids = list(waiting.order_by("created_at").values_list("id", flat=True)[:AT_ONCE])
    if not run_ids or not Engine.objects.filter(live=True).exists():
        return
    try:
        # As long as messages wait there, so may theirs.
        if depths(["master"])["master"][0]:
            return
    except BROKER_ERRORS as error:
        logger.warning("%s runs or more wait until the broker is back: %s", len(run_ids), error)
        return
    for run_id in run_ids:
        if not request_dispatch(run_id):
            return
