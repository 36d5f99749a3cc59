"""Samples: handed in, searched for and read."""

from math import ceil
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.http import Http404, HttpRequest
from django.shortcuts import get_object_or_404
from django.urls import reverse
from ninja import Query, Router
from ninja.errors import AuthenticationError
from ninja.responses import Status

from scaggr.api.auth import BearerToken
from scaggr.api.schemas import UPLOAD, ErrorOut, PageOut, SampleOut, SubmittedOut
from scaggr.models import Sample, ScanRun, Verdict
from scaggr.scanning.runs import summary
from scaggr.scanning.search import MOST, Start, search
from scaggr.scanning.submit import submit
from scaggr.web.errors import TooBigError
from scaggr.web.uploads import received

router = Router()

PAGE = 50
RUNS = 50
LAST_PAGE = 10_000_000

FORM_SIZE = 2**20
"""What an upload may have besides its file, in bytes."""

INFECTED = {Verdict.Outcome.INFECTED: True, Verdict.Outcome.CLEAN: False}


# The token is looked at by the view: in one transaction with what it is for.
@router.post(
    "samples",
    auth=None,
    response={202: SubmittedOut, 400: ErrorOut, 401: ErrorOut, 413: ErrorOut, 507: ErrorOut},
    openapi_extra=UPLOAD | {"security": [{BearerToken.__name__: []}]},
    summary="Hand in samples",
)
def post_sample(request: HttpRequest) -> Status:
    """Take files, each as a field `file` of the form, and have them scanned: all of them, or none. `url` shows what
    comes of it.
    """
    if "Authorization" not in request.headers:
        raise AuthenticationError
    with transaction.atomic():
        if (token := BearerToken()(request)) is None:
            raise AuthenticationError
        if int(request.META.get("CONTENT_LENGTH") or 0) > settings.MAX_SAMPLE_SIZE + FORM_SIZE:
            raise TooBigError
        runs = submit(received(request), token.user_id)
    samples = [{"sha256": run.sample_id, "url": sample_url(run.sample_id)} for run in runs]
    return Status(202, {**samples[0], "samples": samples})


@router.get("samples", response={200: PageOut, 401: ErrorOut, 422: ErrorOut}, summary="Search")
def list_samples(
    request: HttpRequest, q: str = "", page: int = Query(1, ge=1, le=LAST_PAGE), after: UUID | None = None
) -> dict[str, Any]:
    """Find scans by a hash or its beginning, a name, a threat, or `key=value`; the newest come first. A page is that of
    a number, or the one behind the scan `after`.
    """
    numbered = page <= MOST // PAGE
    found = search(q, PAGE, Start(after=after) if after else Start(offset=(page - 1) * PAGE if numbered else 0))
    runs = found.runs if after or numbered else []
    return {
        "count": found.total,
        "more": found.more,
        "page": None if after else page,
        "pages": max(1, ceil(found.total / PAGE)),
        "next": runs[-1].id if runs and found.further else None,
        "samples": [
            {**run_out(run), "sha256": run.sample_id, "size": run.sample.size, "url": sample_url(run.sample_id)}
            for run in runs
        ],
    }


@router.get(
    "samples/{sha256}", response={200: SampleOut, 401: ErrorOut, 404: ErrorOut}, summary="Read a sample's verdicts"
)
def get_sample(request: HttpRequest, sha256: str) -> dict[str, Any]:
    """Return a sample with the verdicts of its newest scan, and its scans."""
    if len(sha256) != 64 or not sha256.isalnum():
        raise Http404
    sample = get_object_or_404(Sample, sha256=sha256.lower())
    runs = sample.runs.prefetch_related("verdicts")[:RUNS]
    if not runs:
        raise Http404
    return {
        "sha256": sample.sha256,
        "sha1": sample.sha1,
        "md5": sample.md5,
        "size": sample.size,
        "first_seen": sample.first_seen,
        "name": runs[0].name,
        **summary(runs[0]),
        "verdicts": [verdict_out(verdict) for verdict in runs[0].verdicts.all()],
        "runs": [run_out(run) for run in runs],
    }


def run_out(run: ScanRun) -> dict[str, Any]:
    """Return a run as the API shows it."""
    return {
        "id": str(run.id),
        "name": run.name,
        "created_at": run.created_at,
        "finished_at": run.finished_at,
        **summary(run),
    }


def verdict_out(verdict: Verdict) -> dict[str, Any]:
    """Return a verdict as the API shows it."""
    return {
        "engine": verdict.engine,
        "engine_version": verdict.engine_version,
        "outcome": verdict.outcome,
        "infected": INFECTED.get(verdict.outcome),
        "name": verdict.name,
        "error": verdict.error,
        "metadata": verdict.metadata,
        "duration": verdict.duration,
    }


def sample_url(sha256: str) -> str:
    """Return where the API has a sample: below the public address where pillar has one, and never below what the
    request says of its host.
    """
    return settings.PUBLIC_URL + reverse("api:get_sample", args=[sha256])
