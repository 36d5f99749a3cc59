"""Finding scans by a hash or its beginning, a name, a threat, or `key=value`; the newest come first.

However many samples there are no search reads a table. Each way to be found is asked of its own index, until all or
more than MOST are counted. Where that is all, these are put in order. Where there are more, what is searched for is
common, and a page is soon full from the newest scan on (`walk`); where it is not, since they are old, all are put in
order after all.

PostgreSQL cannot know how common a piece of metadata is, so each statement says how it is meant (`planned`).
"""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from functools import reduce
from operator import or_
from typing import Any, NamedTuple
from uuid import UUID

from django.db import connection, transaction
from django.db.models import BooleanField, ExpressionWrapper, OuterRef, Q, QuerySet, Subquery, Value
from django.shortcuts import get_object_or_404

from scaggr.models import ScanRun, Verdict
from shared.text import Query, parse_query

MOST = 10_000
"""How many scans are counted, and are on pages that have a number. Others are reached from the last scan of a page."""

REACH = 20_000
"""Among how many of the newest scans those that are common are looked for."""

TIES = 1000
"""How many scans may have the same moment."""

HASHES = ("sha256", "sha1", "md5")

WORD = re.compile(r"[^\W_]{3}")
"""What an index of trigrams finds anywhere in a name. Without one, a name is found by its beginning."""

BY_INDEX = ("enable_seqscan", "enable_hashjoin", "enable_mergejoin", "jit")
FROM_NEWEST = (*BY_INDEX, "enable_sort")
"""What PostgreSQL is to plan without: it would read a table, or gather all that there are before it sorts them."""

COUNT = "(SELECT count(*) FROM {name})"
COUNT_ALL = "SELECT count(*) FROM (SELECT FROM scaggr_scanrun LIMIT %s) counted"
ORDERED = """
WITH {ways}, found AS MATERIALIZED ({found}), counted AS MATERIALIZED (
    SELECT ARRAY[{counts}] AS each, (SELECT count(*) FROM found) AS total
)
SELECT total, each, ARRAY(
    SELECT id FROM scaggr_scanrun JOIN found USING (id)
    WHERE total <= %s AND {where} ORDER BY {order} LIMIT %s OFFSET %s
) FROM counted
"""
WALK = "SELECT id FROM ({newest}) newest WHERE hit AND {where} ORDER BY {order} LIMIT %s OFFSET %s"


class Start(NamedTuple):
    """Where a page begins: so many scans from the newest on, or behind a scan, or before one."""

    offset: int = 0
    after: UUID | None = None
    before: UUID | None = None


class Found(NamedTuple):
    """Some of the scans that a search finds."""

    runs: list[ScanRun]

    total: int
    """How many there are in all, MOST at the most."""

    more: bool
    """There are more than MOST."""

    further: bool
    """There are others behind these; before these where `before` was given."""

    @property
    def counted(self) -> str:
        """How many there are, in words."""
        return f"More than {self.total:,}" if self.more else f"{self.total:,}"


def search(q: str, size: int, start: Start | None = None) -> Found:
    """Return some of the scans that a search finds; of all scans where it is empty."""
    place = Place(start or Start())
    total, ids = find(q, size + 1, place)
    rows = ScanRun.objects.select_related("sample", "submitted_by").prefetch_related("verdicts").in_bulk(ids[:size])
    runs = [rows[run] for run in ids[:size] if run in rows]
    return Found(runs[::-1] if place.upwards else runs, min(total, MOST), total > MOST, len(ids) > size)


def newest(q: str, size: int) -> list[UUID]:
    """Return the ids of the newest scans that a search finds."""
    return find(q, size, Place(Start()))[1]


class Place:
    """A start, as the statements have it."""

    def __init__(self, start: Start) -> None:
        """Look for the scan where it is, if there is one."""
        self.offset, self.upwards = start.offset, start.before is not None
        self.run = start.before or start.after
        self.moment: datetime | None = get_object_or_404(ScanRun, id=self.run).created_at if self.run else None
        way = "ASC" if self.upwards else "DESC"
        self.order = f"created_at {way}, id {way}"
        self.where = f"(created_at, id) {'>' if self.upwards else '<'} (%s, %s)" if self.run else "true"
        self.values = (self.moment, self.run) if self.run else ()

    def of(self, runs: QuerySet[ScanRun]) -> QuerySet[ScanRun]:
        """Return runs in order from here on. An index has their moments, and sorts those of one."""
        if self.moment:
            runs = runs.filter(**{f"created_at__{'gte' if self.upwards else 'lte'}": self.moment})
        return runs.order_by(*(("created_at", "id") if self.upwards else ("-created_at", "-id")))


# What is searched for.


class Way(NamedTuple):
    """A way to find runs: the ids that it finds, and its condition for a run or for one of its verdicts; none for a
    sample's.
    """

    ids: QuerySet[Any]
    run: Q | None = None
    verdict: Q | None = None


def ways(query: Query) -> list[Way]:
    """Return the ways that a search may find runs by."""
    runs, verdicts = ScanRun.objects.order_by().values("id"), Verdict.objects.order_by().values("run_id")
    found = []
    if query.prefix:
        found = [Way(runs.filter(**{f"sample__{name}__startswith": query.prefix})) for name in HASHES]
    # Longer than an MD5, it is too regular for anything else than a hash.
    if len(query.prefix) <= 32:
        named = Q(**{"name__icontains" if WORD.search(query.text) else "name__istartswith": query.text})
        # Most verdicts have no name: these are not in the index.
        conditions = [~Q(name="") & named]
        if query.pair:
            key, value = query.pair
            conditions.append(Q(metadata__contains={key: value}) if value else Q(metadata__has_key=key))
        found.append(Way(runs.filter(named), run=named))
        found.extend(Way(verdicts.filter(condition), verdict=condition) for condition in conditions)
    return found


def marked(common: Sequence[Way], rare: Sequence[Way]) -> QuerySet[ScanRun]:
    """Return all runs, each with whether it is found: what is common is asked of each, what is rare is known before."""
    runs = ScanRun.objects.all()
    condition = reduce(or_, [way.run for way in common if way.run] + [Q(id__in=way.ids) for way in rare], Q())
    if verdicts := [way.verdict for way in common if way.verdict]:
        # Its first verdict: asked whether there is one, PostgreSQL may gather those of all runs.
        first = Verdict.objects.filter(reduce(or_, verdicts), run=OuterRef("pk")).order_by().values("id")[:1]
        runs, condition = runs.alias(verdict=Subquery(first)), condition | Q(verdict__isnull=False)
    return runs.annotate(hit=ExpressionWrapper(condition, BooleanField()) if condition else Value(True))


# How it is asked.


@contextmanager
def planned(without: tuple[str, ...]) -> Iterator[Any]:
    """Lend a cursor, for statements that are planned without some of PostgreSQL's ways."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT " + ", ".join(f"set_config('{way}', 'off', true)" for way in without))
        yield cursor


def count_all() -> int:
    """Count the scans, to one more than MOST."""
    with planned(BY_INDEX) as cursor:
        cursor.execute(COUNT_ALL, [MOST + 1])
        return cursor.fetchone()[0]


def find(q: str, size: int, place: Place) -> tuple[int, list[UUID]]:
    """Return how many scans are found, to one more than MOST, and the ids of those that are asked for."""
    query = parse_query(q)
    if not query.text:
        return count_all(), walk([], size, place) or []
    every = ways(query)
    total, each, ids = ordered(every, size, place, MOST)
    if total > MOST:
        # Of one sample there may be many scans: that is known by their ids as well.
        common = [way for way, count in zip(every, each, strict=True) if count > MOST and (way.run or way.verdict)]
        near = walk(common, size, place, [way for way in every if way not in common])
        ids = ordered(every, size, place)[2] if near is None else near
    return total, ids


def ordered(every: list[Way], size: int, place: Place, most: int | None = None) -> tuple[int, list[int], list[UUID]]:
    """Return how many runs are found in all and by each way, and those that are asked for. More than `most` are neither
    counted nor put in order.
    """
    parts = [way.ids.query.sql_with_params() for way in every]
    names = [f"way{number}" for number in range(len(parts))]
    limit = f" LIMIT {most + 1}" if most else ""
    sql = ORDERED.format(
        ways=", ".join(
            f"{name} (id) AS MATERIALIZED ({part}{limit})" for name, (part, _) in zip(names, parts, strict=True)
        ),
        found=" UNION ".join(f"TABLE {name}" for name in names),
        counts=", ".join(COUNT.format(name=name) for name in names),
        where=place.where,
        order=place.order,
    )
    values = [value for _, given in parts for value in given]
    with planned(BY_INDEX) as cursor:
        cursor.execute(sql, [*values, most or 2**62, *place.values, size, place.offset])
        return cursor.fetchone()


def walk(common: list[Way], size: int, place: Place, rare: Sequence[Way] = ()) -> list[UUID] | None:
    """Return those that are asked for; None where that takes a look at more than those in reach."""
    wanted = size + place.offset + TIES
    # All are found where nothing is searched for.
    reach = max(REACH, 8 * wanted) if common or rare else wanted
    newest, values = place.of(marked(common, rare)).values("id", "created_at", "hit")[:reach].query.sql_with_params()
    others, given = place.of(ScanRun.objects.values("id"))[reach : reach + 1].query.sql_with_params()
    sql = WALK.format(newest=newest, where=place.where, order=place.order)
    with planned(FROM_NEWEST) as cursor:
        cursor.execute(sql, [*values, *place.values, size, place.offset])
        ids = [run for (run,) in cursor.fetchall()]
        if len(ids) < size and (common or rare):
            cursor.execute(f"SELECT EXISTS ({others})", given)  # noqa: S608  # with parameters
            return None if cursor.fetchone()[0] else ids
        return ids
