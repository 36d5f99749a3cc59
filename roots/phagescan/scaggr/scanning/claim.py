"""A worker claims a sample: by the signature of the message that asks for its verdicts.

How often a message was delivered is counted here: the sample that ended its worker each time is set aside. A message
that asks several engines and comes back is split into one an engine, so that the one to blame is known.
"""

import logging
import re
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import BinaryIO

from django.conf import settings
from django.core import signing
from django.db import transaction
from django.db.models import F

from scaggr.models import Sample, ScanRun, Verdict
from scaggr.scanning.request import request_dispatch
from scaggr.scanning.runs import as_uuid, give_up, locked

logger = logging.getLogger(__name__)

Outcome = Verdict.Outcome

ATTEMPTS = 3
"""How often a sample is handed out for a verdict. One that ended its worker each time is set aside."""

FETCH_SALT = "scaggr.fetch"

UNREADABLE = ".unreadable"
"""Left beside the samples when one cannot be read: the highstate looks at all of them then, and repairs them."""

DELIVERY = re.compile("[0-9a-f]{32}")
"""How a worker numbers the deliveries of its messages."""

NEEDED = ("run", "engine", "group", "outcome", "attempts", "delivery", "fetch_key")
"""What is asked of verdicts: the rest need not travel."""

Answer = tuple[int, BinaryIO | None]


def signature(verdict: Verdict) -> str:
    """Return what a worker fetches the sample with, as long as a verdict is pending: this one, or, where it leads a
    group, one of the group.
    """
    return signer(verdict).sign(f"{verdict.id}/{verdict.group}" if verdict.group else str(verdict.id))


def signer(verdict: Verdict) -> signing.Signer:
    """Return what signs for a verdict: with a key of its own, so that a new secret key of Django's leaves no worker
    outside.
    """
    return signing.Signer(key=str(verdict.fetch_key), salt=FETCH_SALT)


def claim(signed: str, delivery: str) -> Answer:
    """Answer a worker that wants a sample: with an HTTP status, and with the open file if it is to be scanned.

    403 the signature is bad, 204 the verdict is there already, 410 there is nothing to scan any more, 409 each engine
    is asked by a message of its own instead. A worker that asks again for the same delivery of its message is not one
    more that may have died of the sample.
    """
    verdict_id = as_uuid(signed.partition(":")[0].partition("/")[0])
    if verdict_id is None:
        return refuse_fetch()
    if not DELIVERY.fullmatch(delivery):
        delivery = ""
    with transaction.atomic():
        for run in locked(verdicts__id=verdict_id):
            verdicts = {verdict.id: verdict for verdict in run.verdicts.only(*NEEDED)}
            if (value := signed_value(verdicts[verdict_id], signed)) is not None:
                group = value.partition("/")[2]
                asked = [verdict for verdict in verdicts.values() if group and verdict.group == group]
                return claim_of(run, asked or [verdicts[verdict_id]], delivery, bool(group))
    return refuse_fetch()


def claim_of(run: ScanRun, asked: list[Verdict], delivery: str, in_group: bool) -> Answer:
    """Answer a worker whose message asks for these verdicts of a run, which is locked."""
    if in_group and not asked[0].group:
        return 409, None
    pending = [verdict for verdict in asked if verdict.outcome == Outcome.PENDING]
    if not pending:
        return 204, None
    again = all(delivery != "" and delivery == verdict.delivery for verdict in pending)
    if in_group and not again and any(verdict.attempts for verdict in pending):
        split(run, pending)
        return 409, None
    if not again and pending[0].attempts >= ATTEMPTS:
        logger.error("poison: sample %s ended its worker %s times in %s", run.sample_id, ATTEMPTS, pending[0].engine)
        give_up(run, pending, Outcome.ERROR, "poison")
        return 410, None
    try:
        # Before anything is counted: what keeps the master from it is not the sample's fault.
        file = Sample(sha256=run.sample_id).path.open("rb")
    except FileNotFoundError:
        give_up(run, pending, Outcome.ERROR, "the sample's file is gone")
        return 410, None
    except PermissionError:
        with suppress(OSError):
            Path(settings.SAMPLE_ROOT, UNREADABLE).touch(mode=0o600)
        raise
    if not again:
        ids = [verdict.id for verdict in pending]
        Verdict.objects.filter(id__in=ids).update(attempts=F("attempts") + 1, delivery=delivery)
    return 200, file


def split(run: ScanRun, verdicts: list[Verdict]) -> None:
    """Have these verdicts of a run, which is locked, asked for by a message each."""
    Verdict.objects.filter(id__in=[verdict.id for verdict in verdicts]).update(group="", sent=False)
    run.dispatched_at = None
    run.save(update_fields=["dispatched_at"])
    transaction.on_commit(partial(request_dispatch, [run.id]))


def refuse_fetch() -> Answer:
    """Answer one whose signature is bad."""
    logger.warning("fetch refused: the signature is of no verdict that is here")
    return 403, None


def signed_value(verdict: Verdict, signed: str) -> str | None:
    """Return what a signature of a verdict signs; None when it is none of it."""
    try:
        value = signer(verdict).unsign(signed)
    except signing.BadSignature:
        return None
    return value if value.partition("/")[0] == str(verdict.id) else None
