"""What the engines answer. Many answers are written at a time."""

import logging
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from scaggr.models import Verdict
from scaggr.scanning.claim import split
from scaggr.scanning.runs import NO_DATABASE, Outcome, as_uuid, close_complete, locked
from shared.text import as_hstore, clip, seconds

logger = logging.getLogger(__name__)

ANSWER = ["outcome", "name", "error", "engine_version", "metadata", "duration", "worker", "answered_at"]

Report = Mapping[str, Any]
"""What a worker reports: `worker`, its node; `answers` by the verdict's id, each with `outcome`, `name`, `error`,
`engine_version`, `metadata`, `duration` (seconds); and `unable`, the ids of verdicts whose engines it does not have.
"""


def record(reports: Sequence[Report]) -> None:
    """Write what workers found. What cannot be written leaves the rest as it is; without a database nothing is lost, as
    one of NO_DATABASE is raised.
    """
    try:
        write(reports)
    except NO_DATABASE:
        raise
    except Exception as error:  # noqa: BLE001  whatever there may be in what a worker sends
        if len(reports) > 1:
            for report in reports:
                record([report])
        else:
            logger.error("an answer is of no use: %.200s: %.200r", error, reports[0].get("worker"))


@transaction.atomic
def write(reports: Sequence[Report]) -> None:
    """Write what workers found. The first answer counts; where the master gave up meanwhile, the answer is better."""
    answers: dict[UUID, tuple[Mapping[str, Any], str]] = {}
    for report in reports:
        for verdict, answer in report["answers"].items():
            if (verdict_id := as_uuid(verdict)) is None or not is_answer(answer):
                logger.error("an answer is of no use: verdict %.100r from %.100r", verdict, report.get("worker"))
            else:
                answers.setdefault(verdict_id, (answer, report.get("worker") or "unknown"))
    unable = {as_uuid(verdict) for report in reports for verdict in report.get("unable", ())} - {None}
    of = Verdict.objects.filter(id__in={*answers} | unable)
    runs = {run.id: run for run in locked(id__in=of.order_by().values("run"))}
    found = list(of.order_by("id"))
    for verdict_id in answers.keys() - {row.id for row in found}:
        logger.warning("an answer is of no use: there is no verdict %s any more", verdict_id)
    rows = [row for row in found if row.outcome == Outcome.PENDING or not row.worker]
    answered = [answered_row(row, *answers[row.id]) for row in rows if row.id in answers]
    Verdict.objects.bulk_create(answered, update_conflicts=True, unique_fields=["id"], update_fields=ANSWER)
    close_complete({row.run_id for row in answered})
    unanswered = [row for row in rows if row.id not in answers and row.outcome == Outcome.PENDING and row.group]
    for run_id in {row.run_id for row in unanswered}:
        split(runs[run_id], [row for row in unanswered if row.run_id == run_id])


def is_answer(answer: Any) -> bool:
    """Tell whether something is what an engine may answer."""
    return isinstance(answer, Mapping) and answer.get("outcome") in {*Outcome.values} - {Outcome.PENDING}


def answered_row(row: Verdict, answer: Mapping[str, Any], worker: str) -> Verdict:
    """Return a verdict with what was answered."""
    row.outcome = answer["outcome"]
    row.name = clip(answer.get("name") or "", 255)
    row.error = clip(answer.get("error") or "", 2000)
    row.engine_version = clip(answer.get("engine_version") or "", 255)
    row.metadata = as_hstore(answer.get("metadata"))
    row.duration = seconds(answer.get("duration"))
    row.worker = clip(worker, 255)
    row.answered_at = timezone.now()
    return row
