"""What the engines answer."""

import logging

from django.db import transaction
from django.utils import timezone

from scaggr.models import Verdict
from scaggr.scanning.runs import as_uuid, close_if_complete, lock_run
from shared.text import as_hstore, clip, seconds

logger = logging.getLogger(__name__)


def record(
    verdict: str,
    outcome: str,
    name: str = "",
    error: str = "",
    engine_version: str = "",
    metadata: dict[str, str] | None = None,
    duration: float | None = None,
    worker: str = "",
) -> None:
    """Write what a worker found. Its first answer counts; where the master gave up meanwhile, the answer is better."""
    verdict_id = as_uuid(verdict)
    if verdict_id is None or outcome not in Verdict.Outcome.values or outcome == Verdict.Outcome.PENDING:
        logger.error("an answer is of no use: verdict %.100r, outcome %.100r from %.100r", verdict, outcome, worker)
        return
    with transaction.atomic():
        run = lock_run(verdicts__id=verdict_id)
        if run is None:
            logger.warning("an answer for verdict %s, which is not there any more", verdict_id)
            return
        row = run.verdicts.get(id=verdict_id)
        if row.outcome != Verdict.Outcome.PENDING and row.worker:
            return
        row.outcome = outcome
        row.name = clip(name or "", 255)
        row.error = clip(error or "", 2000)
        row.engine_version = clip(engine_version or "", 255)
        row.metadata = as_hstore(metadata)
        row.duration = seconds(duration)
        row.worker = clip(worker or "unknown", 255)
        row.answered_at = timezone.now()
        row.save()
        close_if_complete(run)
