"""The API, `path("api/", api.urls)`: hand in samples and read their verdicts. Each request bears a token."""

import logging
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import wraps
from http import HTTPStatus
from math import ceil
from typing import Any
from uuid import UUID

from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.core.exceptions import BadRequest, SuspiciousOperation
from django.db import InterfaceError, OperationalError
from django.db.models import Q
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect
from django.http.multipartparser import MultiPartParserError
from django.http.request import UnreadablePostError
from django.shortcuts import get_object_or_404
from django.urls import URLPattern, URLResolver, reverse
from django.utils import timezone
from ninja import NinjaAPI, Query, Schema
from ninja.errors import AuthenticationError, ValidationError
from ninja.responses import Status
from ninja.security import HttpBearer

from scaggr import clock
from scaggr.errors import SubmitError, TooBigError
from scaggr.models import ApiToken, Sample, ScanRun, Verdict
from scaggr.requests import objection
from scaggr.scans import submit, summary
from scaggr.search import MOST, Start, search
from scaggr.status import server_status
from scaggr.uploads import received

logger = logging.getLogger(__name__)

PAGE = 50
RUNS = 50
LAST_PAGE = 10_000_000

FORM_SIZE = 2**20
"""What an upload may have besides its file, in bytes."""

INFECTED = {Verdict.Outcome.INFECTED: True, Verdict.Outcome.CLEAN: False}

UPLOAD = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["file"],
                    "properties": {"file": {"type": "array", "items": {"type": "string", "format": "binary"}}},
                }
            }
        },
    }
}


class BearerToken(HttpBearer):
    """A token of an active user, before it expires."""

    def authenticate(self, request: HttpRequest, token: str) -> ApiToken | None:
        """Find the token, and note that it is in use: once a minute is enough."""
        now = timezone.now()
        row = (
            ApiToken.objects.select_related("user")
            .filter(Q(expires_at=None) | Q(expires_at__gt=now), digest=ApiToken.digest_of(token), user__is_active=True)
            .first()
        )
        if row is None:
            return None
        if not clock.is_recent(row.last_used_at, timedelta(minutes=1)):
            ApiToken.objects.filter(digest=row.digest, last_used_at=row.last_used_at).update(last_used_at=now)
        return row


class ErrorOut(Schema):
    """What is wrong."""

    detail: Any


class TakenOut(Schema):
    """Where a sample's verdicts are going to be."""

    sha256: str
    url: str


class SubmittedOut(TakenOut):
    """The first sample, and all that were handed in."""

    samples: list[TakenOut]


class VerdictOut(Schema):
    """What an engine says; `infected` is null where it only describes."""

    engine: str
    engine_version: str
    outcome: str
    infected: bool | None
    name: str
    error: str
    metadata: dict[str, str | None]
    duration: float | None


class RunOut(Schema):
    """A scan of a sample.

    `infected` is true as soon as an engine detects something, false when none did, none failed and one looked for it,
    and null otherwise: also where an engine failed or did not answer.
    """

    id: str
    name: str
    status: str
    infected: bool | None
    threats: list[str]
    created_at: datetime
    finished_at: datetime | None


class FoundOut(RunOut):
    """A scan that a search found, and its sample."""

    sha256: str
    size: int
    url: str


class PageOut(Schema):
    """A page of what a search found.

    `count` ends at 10,000, and so do `pages`: `more` is true then. `next`, where there are others, is `after` of the
    page behind this one: so any number of pages is read, each as quickly.
    """

    count: int
    more: bool
    page: int | None
    pages: int
    next: UUID | None
    samples: list[FoundOut]


class SampleOut(Schema):
    """A sample; `status`, `infected`, `threats` and `verdicts` are those of its newest scan, see RunOut."""

    sha256: str
    sha1: str
    md5: str
    size: int
    first_seen: datetime
    name: str
    status: str
    infected: bool | None
    threats: list[str]
    verdicts: list[VerdictOut]
    runs: list[RunOut]


class Api(NinjaAPI):
    """An API that tokens guard and not the login, and that says what is wrong in JSON, whatever it is."""

    def _get_urls(self) -> list[URLPattern | URLResolver]:
        """Wrap each view. The document and its page need no token: they say nothing about what was handed in."""
        patterns = super()._get_urls()
        for pattern in patterns:
            pattern.callback = self._open(pattern.callback)
        return patterns

    def _open(self, view: Callable[..., HttpResponseBase]) -> Callable[..., HttpResponseBase]:
        @wraps(view, assigned=())
        def opened(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
            response = view(request, *args, **kwargs)
            if response.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
                allow = response.headers["Allow"]
                response = self.create_response(request, {"detail": f"Method not allowed: use {allow}."}, status=405)
                response.headers["Allow"] = allow
            return response

        return login_not_required(opened)


api = Api(
    title="Phagescan",
    description="Hand in a file, read its verdicts. `manage.py token <user>` makes the token.",
    urls_namespace="api",
    auth=BearerToken(),
)


@api.post(
    "samples",
    response={202: SubmittedOut, 400: ErrorOut, 401: ErrorOut, 413: ErrorOut, 507: ErrorOut},
    openapi_extra=UPLOAD,
    summary="Hand in samples",
)
def post_sample(request: HttpRequest) -> Status:
    """Take files, each as a field `file` of the form, and have them scanned: all of them, or none. `url` shows what
    comes of it.
    """
    if int(request.META.get("CONTENT_LENGTH") or 0) > settings.MAX_SAMPLE_SIZE + FORM_SIZE:
        raise TooBigError
    runs = submit(received(request), request.auth.user)
    samples = [{"sha256": run.sample_id, "url": sample_url(run.sample_id)} for run in runs]
    return Status(202, {**samples[0], "samples": samples})


@api.get("samples", response={200: PageOut, 401: ErrorOut, 422: ErrorOut}, summary="Search")
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


@api.get(
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


@api.get("status", response={200: dict[str, Any], 401: ErrorOut}, summary="How the server is")
def get_status(request: HttpRequest) -> dict[str, Any]:
    """Return nodes, engines, queues, runs, canaries, the heartbeat and the last snapshots of the tasks."""
    return server_status()


@api.get("", include_in_schema=False, auth=None)
def root(request: HttpRequest) -> HttpResponse:
    """Lead to the documentation."""
    return HttpResponseRedirect(reverse("api:openapi-view"))


@api.api_operation(["GET", "POST", "PUT", "PATCH", "DELETE"], "{path:rest}", include_in_schema=False, auth=None)
def nothing(request: HttpRequest, rest: str) -> None:
    """Answer for every other address."""
    raise Http404


@api.exception_handler(AuthenticationError)
def on_no_token(request: HttpRequest, error: AuthenticationError) -> HttpResponse:
    """Say how to come in."""
    response = refuse(request, "A valid token is needed: Authorization: Bearer <token>.", 401)
    response.headers["WWW-Authenticate"] = "Bearer"
    return response


@api.exception_handler(SubmitError)
def on_refusal(request: HttpRequest, error: SubmitError) -> HttpResponse:
    """Say why a file is not taken."""
    return refuse(request, str(error), error.status)


@api.exception_handler(ValidationError)
def on_bad_value(request: HttpRequest, error: ValidationError) -> HttpResponse:
    """Name the values that cannot be, in one line."""
    return refuse(request, "; ".join(f"{part['loc'][-1]}: {part['msg']}" for part in error.errors), 422)


@api.exception_handler(Http404)
def on_nothing(request: HttpRequest, error: Http404) -> HttpResponse:
    """Say that there is no such thing."""
    return refuse(request, "There is nothing here.", 404)


@api.exception_handler(MultiPartParserError)
def on_broken_form(request: HttpRequest, error: MultiPartParserError) -> HttpResponse:
    """Say what is wrong with a form. The headers of its parts are limited, and a file's name is most of them."""
    if "header size" in str(error):
        return refuse(request, "The name of the file is too long.", 400)
    return refuse(request, f"The upload cannot be read: {error}", 400)


@api.exception_handler(UnreadablePostError)
@api.exception_handler(BadRequest)
@api.exception_handler(SuspiciousOperation)
def on_bad_request(request: HttpRequest, error: Exception) -> HttpResponse:
    """Say what else is wrong with a request."""
    return refuse(request, objection(error) or f"The request cannot be read: {error}", 400)


@api.exception_handler(InterfaceError)
@api.exception_handler(OperationalError)
def on_no_database(request: HttpRequest, error: Exception) -> HttpResponse:
    """Say that it is worth another try."""
    logger.error("%s %s failed: %s", request.method, request.path, str(error).strip())
    return refuse(request, "The server cannot work with its database just now. Try again.", 503)


@api.exception_handler(Exception)
def on_error(request: HttpRequest, error: Exception) -> HttpResponse:
    """Say that it is not the client's fault, and what it was only to the log."""
    logger.error("%s %s failed", request.method, request.path, exc_info=error)
    return refuse(request, "The server failed. Its log says why.", 500)


def refuse(request: HttpRequest, detail: str, status: int) -> HttpResponse:
    """Return an error."""
    return api.create_response(request, {"detail": detail}, status=status)


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
