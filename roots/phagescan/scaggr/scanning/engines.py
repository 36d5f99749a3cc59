"""Which engines there are: workers announce theirs, and are forgotten when they are silent.

Engines that the same workers have are asked by one message: such a group is named after its first engine.
"""

import logging
from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from axes.models import AccessAttempt
from django.db import transaction
from django.utils import timezone

from scaggr.models import Engine, ScanRun
from scaggr.nodes import logins
from shared import clock
from shared.queues import GROUP, engine_queue, group_queue
from shared.text import clip

logger = logging.getLogger(__name__)

ENGINES = 32
"""How many engines a worker may have, and how many names there may be for engines: every run waits for all of them."""


def announce(worker: str, engines: list[dict[str, Any]]) -> None:
    """Note which engines a worker has, and which of them work and are approved. What it names no longer is gone."""
    worker = clip(worker, 255)
    wanted = logins.approved()
    now = timezone.now()
    if len(engines) > ENGINES:
        logger.error("%s announces %s engines: all but the first %s are refused", worker, len(engines), ENGINES)
    rows = {
        engine["name"]: Engine(
            name=engine["name"],
            worker=worker,
            kind=engine["kind"],
            version=clip(engine.get("version") or "", 255),
            problem=clip(engine.get("problem") or "", 2000)
            or ("" if engine["name"] in wanted else logins.NOT_APPROVED),
            warning=clip(engine.get("warning") or "", 2000),
            host=clip(engine.get("host") or "", 64),
            takes_groups=engine.get("groups") is True,
            announced_at=now,
            live=not engine.get("problem") and engine["name"] in wanted,
        )
        for engine in engines[:ENGINES]
        if is_announcement(engine)
    }
    with transaction.atomic():
        known = set(Engine.objects.order_by().values_list("name", flat=True).distinct())
        for name in sorted(rows.keys() - known)[max(0, ENGINES - len(known)) :]:
            logger.error("%s announces the engine %s, which is refused: there are %s already", worker, name, len(known))
            del rows[name]
        Engine.objects.bulk_create(
            # In one order, so that two announcements of a worker cannot wait for each other.
            [rows[name] for name in sorted(rows)],
            update_conflicts=True,
            unique_fields=["name", "worker"],
            update_fields=["kind", "version", "problem", "warning", "host", "takes_groups", "announced_at", "live"],
        )
        Engine.objects.filter(worker=worker).exclude(name__in=rows).delete()
        logins.forget_former(worker, {row.host for row in rows.values()} - {""})


def refresh_engines() -> None:
    """Take silent workers' engines out of use, and forget those that have been silent for a day."""
    forget_future()
    now = timezone.now()
    Engine.objects.filter(live=True, announced_at__lt=now - Engine.SILENCE).update(live=False)
    Engine.objects.filter(announced_at__lt=now - timedelta(days=1)).delete()


def forget_future() -> None:
    """Date to now what waits for its time and was dated while the clock was ahead: it would wait until then as well."""
    waits = (
        (Engine.objects.all(), "announced_at"),
        (ScanRun.objects.filter(finished_at=None), "created_at"),
        (AccessAttempt.objects.all(), "attempt_time"),
    )
    for rows, field in waits:
        if count := rows.filter(**{f"{field}__gt": clock.horizon()}).update(**{field: clock.now()}):
            logger.warning("the clock was ahead: %s of %s dated to now", count, rows.model.__name__)


def leaders(rows: Iterable[Engine]) -> dict[str, str]:
    """Return for each engine the first of its group: of those that the same workers have. It is empty for one that is
    asked by itself: no other has the same workers, or one of them takes no groups.
    """
    workers: dict[str, set[tuple[str, bool]]] = {}
    for row in rows:
        workers.setdefault(row.name, set()).add((row.worker, row.takes_groups))
    groups: dict[frozenset[tuple[str, bool]], list[str]] = {}
    for name in sorted(workers):
        groups.setdefault(frozenset(workers[name]), []).append(name)
    return {
        name: names[0] if len(names) > 1 and all(takes for _, takes in of) else ""
        for of, names in groups.items()
        for name in names
    }


def engine_queues(rows: Iterable[Engine]) -> dict[str, list[str]]:
    """Name the queues that ask these engines, each with the workers that take from it."""
    rows = list(rows)
    of = leaders(rows)
    found: dict[str, list[str]] = {}
    for row in rows:
        found.setdefault(engine_queue(row.name).name, []).append(row.worker)
        if of[row.name] == row.name:
            found.setdefault(group_queue(row.name).name, []).append(row.worker)
    return found


def is_announcement(engine: Any) -> bool:
    """Tell whether an engine is announced as it should be: its name names a queue."""
    known = (
        isinstance(engine, dict) and isinstance(engine.get("name"), str) and engine.get("kind") in Engine.Kind.values
    )
    if known and is_engine(engine["name"]):
        return True
    logger.error("an announcement is of no use: %.200r", engine)
    return False


def is_engine(name: str) -> bool:
    """Tell whether an engine may have this name."""
    return name.isidentifier() and name.isascii() and len(name) <= 64 and not name.startswith(GROUP)
