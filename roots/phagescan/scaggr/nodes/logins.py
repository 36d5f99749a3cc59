"""Who speaks for a node: the login at the broker that first did, which RabbitMQ vouches for as a message's `user_id`.

Workers with a login of their own can thus not speak for each other. Those that share one can, as for the broker they
are one. Workers of release 1.0 send none; they are heard until their node has been heard with a login.
"""

import time
from collections.abc import Collection
from contextlib import suppress
from typing import Any

from celery.utils.log import get_logger
from django.conf import settings
from django.db import Error

from scaggr.models import ApprovedEngine, Engine, Node, WorkerState
from shared import clock
from shared.text import clip

logger = get_logger(__name__)

NOT_APPROVED = "not approved: add it to phagescan:engines of the master's pillar, or approve it in the Admin UI"
MASTERS = "master."
"""How the names of the master's own nodes begin."""

MOST = 1000
"""Nodes that are remembered: who invents names fills neither the table nor the camera's memory."""

LATEST = 2**40
"""Seconds since 1970 above which a time is none."""

KNOWN_FOR = 30.0
"""Seconds that events and answers, which are many, are judged by what was known of a node."""

known: dict[str, tuple[str, float]] = {}


def speaks_for(node: str, login: str | None) -> bool:
    """Tell whether a message that came with this login may speak for a node; from now on this login alone may."""
    hostname, login = clip(node, 255), clip(login or "", 255)
    bound, until = known.get(hostname, ("", 0.0))
    if bound == login != "" and time.monotonic() < until:
        return True
    row = Node.objects.filter(hostname=hostname).first()
    if row is None:
        if Node.objects.count() >= MOST:
            logger.error("%s, a new node of %s, is refused: there are %s already", hostname, login or "no login", MOST)
            return False
        row, _ = Node.objects.get_or_create(hostname=hostname, defaults={"login": login})
    if login and not row.login:
        Node.objects.filter(hostname=hostname, login="").update(login=login)
        return True
    if row.login != login:
        logger.error("%s, a node of %s, was named by %s: refused", hostname, row.login, login or "no login")
        return False
    know(hostname, login)
    return True


def know(node: str, login: str) -> None:
    """Remember for a while which login speaks for a node."""
    if len(known) >= MOST:
        known.clear()
    known[node] = login, time.monotonic() + KNOWN_FOR


def note_clock(node: str, sent: Any) -> None:
    """Keep by how much the clock of a node is ahead, by when it says that it sent what has just come."""
    if isinstance(sent, int) and 0 < sent < LATEST:
        Node.objects.filter(hostname=clip(node, 255)).update(clock=sent - clock.now().timestamp())


def heard_of(node: str, login: str | None) -> bool:
    """Tell whether an event of a node may come with this login. A node that only events know may come with any."""
    if node.startswith(MASTERS):
        return login == settings.BROKER_CONF["user"]
    bound, until = known.get(node, ("", 0.0))
    if time.monotonic() >= until:
        # Without a database what was known before goes on counting: events are kept until it is back.
        with suppress(Error):
            bound = Node.objects.filter(hostname=clip(node, 255)).values_list("login", flat=True).first() or ""
        know(node, bound)
    return not bound or bound == login


def forget_former(worker: str, hosts: Collection[str]) -> None:
    """Forget the workers that a host had under another name: those with this one's login that were silent from when
    this one was first heard. Hosts that were made of one image have an id in common, too; they are heard side by side.
    """
    node = Node.objects.filter(hostname=worker).first()
    if not hosts or not node:
        return
    until = min(clock.now() - Engine.SILENCE, node.since + Engine.SILENCE)
    silent = Engine.objects.filter(host__in=hosts, announced_at__lt=until).exclude(worker=worker)
    former = Node.objects.filter(hostname__in=silent.values("worker"), login=node.login)
    if gone := list(former.values_list("hostname", flat=True)):
        logger.info("%s was called %s before", worker, ", ".join(gone))
        Engine.objects.filter(worker__in=gone).delete()
        WorkerState.objects.filter(hostname__in=gone).delete()
        Node.objects.filter(hostname__in=gone).delete()


def approved() -> set[str]:
    """Name the engines that count: those of the master's pillar, and those that an admin has approved."""
    return {*settings.ENGINES, *ApprovedEngine.objects.values_list("name", flat=True)}
