"""A worker claims a sample: by the signature of the message that asks for its verdict."""

import logging
import re
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from django.conf import settings
from django.core import signing
from django.db import transaction
from django.db.models import F

from scaggr.models import Verdict
from scaggr.scanning.runs import as_uuid, give_up, lock_run

logger = logging.getLogger(__name__)

ATTEMPTS = 3
"""How often a sample is handed out for a verdict. One that ended its worker each time is set aside."""

FETCH_SALT = "scaggr.fetch"

UNREADABLE = ".unreadable"
"""Left beside the samples when one cannot be read: the highstate looks at all of them then, and repairs them."""

DELIVERY = re.compile("[0-9a-f]{32}")
"""How a worker numbers the deliveries of its messages."""


def signer(verdict: Verdict) -> signing.Signer:
    """Return what signs for a verdict: with a key of its own, so that a new secret key of Django's leaves no worker
    outside.
    """
    return signing.Signer(key=str(verdict.fetch_key), salt=FETCH_SALT)


def signature(verdict: Verdict) -> str:
    """Return what a worker fetches the sample for a verdict with, as long as the verdict is pending."""
    return signer(verdict).sign(str(verdict.id))


def claim(signed: str, delivery: str) -> tuple[int, BinaryIO | None]:
    """Answer a worker that wants a sample: with an HTTP status, and with the open file if it is to be scanned.

    403 the signature is bad, 204 the verdict is there already, 410 there is nothing to scan any more. A worker that
    asks again for the same delivery of its message is not one more that may have died of the sample.
    """
    verdict_id = as_uuid(signed.partition(":")[0])
    if verdict_id is None:
        return refuse_fetch()
    if not DELIVERY.fullmatch(delivery):
        delivery = ""
    with transaction.atomic():
        run = lock_run(verdicts__id=verdict_id)
        if run is None or not is_signed(verdict := run.verdicts.get(id=verdict_id), signed):
            return refuse_fetch()
        if verdict.outcome != Verdict.Outcome.PENDING:
            return 204, None
        again = delivery != "" and delivery == verdict.delivery
        if verdict.attempts >= ATTEMPTS and not again:
            logger.error("poison: sample %s ended its worker %s times in %s", run.sample_id, ATTEMPTS, verdict.engine)
            give_up(run, [verdict], Verdict.Outcome.ERROR, "poison")
            return 410, None
        try:
            # Before anything is counted: what keeps the master from it is not the sample's fault.
            file = run.sample.path.open("rb")
        except FileNotFoundError:
            give_up(run, [verdict], Verdict.Outcome.ERROR, "the sample's file is gone")
            return 410, None
        except PermissionError:
            with suppress(OSError):
                Path(settings.SAMPLE_ROOT, UNREADABLE).touch(mode=0o600)
            raise
        if not again:
            run.verdicts.filter(id=verdict.id).update(attempts=F("attempts") + 1, delivery=delivery)
    return 200, file


def refuse_fetch() -> tuple[int, None]:
    """Answer one whose signature is bad."""
    logger.warning("fetch refused: the signature is of no verdict that is here")
    return 403, None


def is_signed(verdict: Verdict, signed: str) -> bool:
    """Tell whether a signature is that of a verdict."""
    try:
        return signer(verdict).unsign(signed) == str(verdict.id)
    except signing.BadSignature:
        return False
