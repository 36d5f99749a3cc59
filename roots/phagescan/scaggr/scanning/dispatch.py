"""What is asked of the engines: a run is sent to every engine that has a live worker."""

import logging
from collections.abc import Collection, Iterable, Iterator
from datetime import timedelta
from uuid import UUID

from django.db import connection, transaction
from django.db.models import Q
from django.utils import timezone

from scaggr.models import Engine, ScanRun, Verdict
from scaggr.scanning.claim import signature, split
from scaggr.scanning.engines import leaders
from scaggr.scanning.request import request_dispatch
from scaggr.scanning.runs import Outcome, lifetime, locked
from shared import tasks
from shared.broker import BROKER_ERRORS, depths
from shared.confirms import Message, publish_all
from shared.queues import engine_queue, group_queue

logger = logging.getLogger(__name__)

PATIENCE = timedelta(seconds=5)
"""How old a run is when the message that should have it dispatched counts as lost."""

AT_ONCE = 200
"""How many such runs are dispatched at a time: the rest waits for the next time."""

LONGEST = timedelta(days=49)
"""What RabbitMQ counts of a message's life: milliseconds, in 32 bits."""

LOCK = 9_005_101
"""The key of the lock in PostgreSQL that the one which sends holds."""


def dispatch(run_ids: Collection[UUID]) -> None:
    """Send runs to every engine that has a live worker. Without any, they wait."""
    with transaction.atomic():
        ask(locked(id__in=run_ids, dispatched_at=None, finished_at=None))
    # The rows are there for any worker to see. The runs are not locked until all is sent, as workers claim them
    # meanwhile; that no two send the same is another lock's matter.
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("select pg_advisory_xact_lock(%s)", [LOCK])
        runs = ScanRun.objects.filter(id__in=run_ids, dispatched_at=None, finished_at=None).order_by("created_at")
        messages = [message for run in runs.prefetch_related("verdicts") for message in messages_of(run)]
        sent, error = publish_all(messages)
        note_sent(run_ids, [message for message in messages if message.task_id in sent])
    if error:
        raise error


def note_sent(run_ids: Collection[UUID], messages: Iterable[Message]) -> None:
    """Note which messages the broker has. A group that was split meanwhile is asked again, one by one."""
    run_ids = [run.id for run in locked(id__in=run_ids, dispatched_at=None)]
    alone = [message.task_id for message in messages if message.task == tasks.SCAN]
    together = [verdict for message in messages for verdict in message.kwargs.get("verdicts", {}).values()]
    Verdict.objects.filter(Q(id__in=alone) | Q(id__in=together) & ~Q(group="")).update(sent=True)
    verdicts = Verdict.objects.filter(run__in=run_ids).order_by()
    unsent = verdicts.filter(outcome=Outcome.PENDING, sent=False).values("run")
    ScanRun.objects.filter(id__in=verdicts.values("run")).exclude(id__in=unsent).update(dispatched_at=timezone.now())


def ask(runs: Iterable[ScanRun]) -> None:
    """Note for runs that were asked of no engine yet that all live ones are asked."""
    asked = set(Verdict.objects.filter(run__in=runs).order_by().values_list("run", flat=True).distinct())
    engines = leaders(Engine.objects.filter(live=True))
    Verdict.objects.bulk_create(
        Verdict(run=run, engine=name, group=leader)
        for run in runs
        if run.id not in asked
        for name, leader in engines.items()
    )


def messages_of(run: ScanRun) -> Iterator[Message]:
    """Make the messages that ask for a run's pending verdicts, as long as there is time left for it, but for those that
    the broker has.
    """
    left = run.created_at + lifetime() - timezone.now()
    if left <= timedelta(0):
        return
    # The broker's to drop it then: of when a scan is too late no worker's clock decides.
    expiration = min(left, lifetime(), LONGEST).total_seconds()
    by_group: dict[str, list[Verdict]] = {}
    for verdict in run.verdicts.all():
        if verdict.outcome == Outcome.PENDING and not verdict.sent:
            by_group.setdefault(verdict.group, []).append(verdict)
    for verdict in by_group.pop("", ()):
        kwargs = {"engine": verdict.engine, "signed": signature(verdict)}
        yield Message(tasks.SCAN, kwargs, engine_queue(verdict.engine), expiration, str(verdict.id))
    for group, verdicts in by_group.items():
        kwargs = {"signed": signature(verdicts[0]), "verdicts": {each.engine: str(each.id) for each in verdicts}}
        yield Message(tasks.SCAN_GROUP, kwargs, group_queue(group), expiration, str(verdicts[0].id))


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
    request_dispatch(run_ids)


def split_stranded() -> None:
    """Ask engine by engine where no live worker takes from the queue of a group any more, but has an engine of it."""
    live = Engine.objects.filter(live=True).order_by()
    takers = live.filter(takes_groups=True).values("name")
    stranded = Verdict.objects.filter(run__finished_at=None, outcome=Outcome.PENDING, engine__in=live.values("name"))
    stranded = stranded.exclude(group="").exclude(group__in=takers)
    for run_id in stranded.order_by().values_list("run", flat=True).distinct()[:AT_ONCE]:
        with transaction.atomic():
            for run in locked(id=run_id, finished_at=None):
                split(run, list(stranded.filter(run=run)))
