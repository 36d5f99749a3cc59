"""The pages: samples with their upload and search, one sample, Server Status, and what they ask for while they are
open.
"""

import functools
from collections.abc import Callable, Iterator, Mapping
from math import ceil
from pathlib import Path
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.views import LoginView
from django.core.exceptions import PermissionDenied
from django.http import FileResponse, Http404, HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.cache import add_never_cache_headers, patch_vary_headers
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST
from django_htmx.http import HttpResponseClientRefresh
from stream_zip import ZIP_AUTO, stream_zip

from scaggr import room
from scaggr.api import BearerToken
from scaggr.canary import duration
from scaggr.errors import NoRoomError, SubmitError, TooBigError
from scaggr.models import Sample, ScanRun, Verdict
from scaggr.scans import as_uuid, rescan, submit, summary
from scaggr.search import MOST, Found, Start, search
from scaggr.status import server_status
from scaggr.text import QUERY_LENGTH, parse_query
from scaggr.uploads import received

PAGE = 25
"""Rows of a page of the list."""

EARLIER = 20
"""Runs of a sample that its page lists."""

POLLED = 200
"""Rows that are looked up at once for a page that is open."""

SHORT = 0.001
"""Seconds: below this no one wants to know more."""

ZIP_PASSWORD = "infected"  # noqa: S105 - it keeps a sample from being opened by mistake, and is shown to everyone
CHUNK = 1 << 16

CONTENT_SECURITY_POLICY = (
    "default-src 'self'; base-uri 'none'; object-src 'none'; frame-ancestors 'none'; form-action 'self'"
)


def page(view: Callable[..., HttpResponseBase]) -> Callable[..., HttpResponseBase]:
    """Let what a view answers run nothing but our static files, and let no one keep it."""

    @functools.wraps(view)
    def wrapped(*args: Any, **kwargs: Any) -> HttpResponseBase:
        response = view(*args, **kwargs)
        response.headers.setdefault("Content-Security-Policy", CONTENT_SECURITY_POLICY)
        add_never_cache_headers(response)
        patch_vary_headers(response, ["HX-Request"])
        return response

    return wrapped


@login_not_required
@never_cache
@require_GET
def authorize(request: HttpRequest) -> HttpResponse:
    """Tell the proxy whether it is to receive an upload: 204, 401 where its client may not, 403 where there is no
    room.
    """
    if not request.user.is_authenticated and not BearerToken()(request):
        return HttpResponse(status=401)
    length = request.headers.get("X-Upload-Length", "")
    try:
        room.need(int(length) if length.isdecimal() else 0, settings.FILE_UPLOAD_TEMP_DIR, settings.UPLOAD_SPOOL)
    except NoRoomError:
        return HttpResponse(status=403)
    return HttpResponse(status=204)


class Login(LoginView):
    """The login page. An open page whose session has ended comes here when it asks for news: it is loaded again."""

    redirect_authenticated_user = True

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Show the form."""
        return HttpResponseClientRefresh() if request.htmx else super().get(request, *args, **kwargs)


def client_address(request: HttpRequest) -> str:
    """Return the address that a request comes from. The proxy comes by a Unix socket, which has none: its word is
    taken, and no one else's.
    """
    return request.META["REMOTE_ADDR"] or request.headers.get("X-Real-IP", "")


@page
def locked(request: HttpRequest, *_: Any) -> HttpResponse:
    """Say that there were too many wrong passwords, and how long that lasts."""
    seconds = settings.AXES_COOLOFF_TIME.total_seconds()
    response = render(request, "locked.html", {"minutes": f"{seconds / 60:.0f}"}, status=429)
    response.headers["Retry-After"] = f"{seconds:.0f}"
    return response


# samples


@page
@require_GET
def home(request: HttpRequest) -> HttpResponse:
    """Show the drop zone and the list of runs, or the list alone when the search box asks for it."""
    # PostgreSQL keeps no NUL.
    query = request.GET.get("q", "").replace("\0", "").strip()[:QUERY_LENGTH]
    start, number = start_of(request.GET)
    found = search(query, PAGE, start)
    pages = max(1, ceil(found.total / PAGE))
    if number and number > pages:
        start, number = Start(offset=(pages - 1) * PAGE), pages
        found = search(query, PAGE, start)
    alone = bool(request.htmx and not request.htmx.history_restore_request)
    context = {
        "alone": alone,
        "query": query,
        "longest": QUERY_LENGTH,
        "runs": [described(run) for run in found.runs],
        "found": found,
        "number": number,
        "pages": pages,
        "limit": settings.MAX_SAMPLE_SIZE,
        "limit_text": f"{settings.MAX_SAMPLE_SIZE / 2**20:.4g} MiB",
        "too_big": TooBigError(),
        "links": {
            word: "?" + urlencode({"q": query, **place} if query else place)
            for word, place in neighbours(found, start, number, pages).items()
        },
    }
    return render(request, "parts/runs.html" if alone else "home.html", context)


def start_of(asked: Mapping[str, str]) -> tuple[Start, int | None]:
    """Return where a page begins, and its number: that of a page behind the last one that has one is None."""
    after, before = as_uuid(asked.get("after")), as_uuid(asked.get("before"))
    page = asked.get("page", "")
    number = min(max(1, int(page)), MOST // PAGE) if page.isdecimal() and len(page) < 10 else None
    if after or before:
        return Start(after=None if before else after, before=before), number
    return Start(offset=((number or 1) - 1) * PAGE), number or 1


def neighbours(found: Found, start: Start, number: int | None, pages: int) -> dict[str, dict[str, Any]]:
    """Return where the pages before and after begin: from number to number, or, where there are many, from scan to
    scan, which is quicker.
    """
    places: dict[str, dict[str, Any]] = {}
    if not found.runs:
        return places
    if found.further if start.before else start.after or start.offset:
        if number and number <= 2:
            places["newer"] = {"page": 1}
        else:
            numbered = {"page": number - 1} if number else {}
            places["newer"] = {**numbered, "before": found.runs[0].id} if found.more or not number else numbered
    if start.before or found.further:
        numbered = {"page": number + 1} if number and number < pages else {}
        places["older"] = {**numbered, "after": found.runs[-1].id} if found.more or not number else numbered
    return places


def described(run: ScanRun) -> ScanRun:
    """Add what the templates say of a run: its summary, who has answered, and which engines failed."""
    verdicts = list(run.verdicts.all())
    run.summary = summary(run)
    run.open = run.finished_at is None
    run.asked = len(verdicts)
    run.answered = sum(verdict.outcome != Verdict.Outcome.PENDING for verdict in verdicts)
    run.failures = [v for v in verdicts if v.outcome in (Verdict.Outcome.ERROR, Verdict.Outcome.TIMED_OUT)]
    # What a page holds of a run is old when this has changed.
    run.mark = f"{run.status.value}-{run.answered}"
    return run


@page
@require_GET
def news(request: HttpRequest) -> HttpResponse:
    """Answer with the rows that have changed since the page that asks got them."""
    held = {}
    for item in request.GET.getlist("run")[:POLLED]:
        identifier, _, mark = item.partition(".")
        try:
            held[UUID(identifier)] = mark
        except ValueError:
            continue
    found = ScanRun.objects.filter(id__in=held).select_related("sample").prefetch_related("verdicts")
    rows = {run.id: described(run) for run in found}
    changed = [run for run in rows.values() if run.mark != held[run.id]]
    gone = [identifier for identifier in held if identifier not in rows]
    if not changed and not gone:
        return HttpResponse(status=204)
    return render(request, "parts/news.html", {"changed": changed, "gone": gone})


@page
@require_POST
def upload(request: HttpRequest) -> HttpResponse:
    """Take files, all or none. The script of the page sends them one by one and gets a row, or a line that says what is
    wrong.
    """
    try:
        runs = submit(received(request), request.user)
    except SubmitError as error:
        return refusal(request, error)
    if request.htmx:
        return render(request, "parts/run.html", {"run": described(runs[0])})
    return redirect("sample", runs[0].sample_id) if len(runs) == 1 else redirect("home")


def refusal(request: HttpRequest, error: SubmitError) -> HttpResponse:
    """Say why nothing was taken."""
    if request.htmx:
        return HttpResponse(str(error), status=error.status, content_type="text/plain; charset=utf-8")
    return render(request, "refusal.html", {"error": error}, status=error.status)


# one sample


@page
@require_GET
def sample(request: HttpRequest, sha256: str) -> HttpResponse:
    """Show a sample, the verdicts of its last run or of the one asked for, and its other runs."""
    return render(request, "sample.html", about(request, sha256))


@page
@require_GET
def sample_rows(request: HttpRequest, sha256: str) -> HttpResponse:
    """Answer with the verdicts and runs of a sample, if the page that asks has them otherwise."""
    context = about(request, sha256)
    if context["mark"] == request.GET.get("seen"):
        return HttpResponse(status=204)
    return render(request, "parts/verdicts.html", context)


def about(request: HttpRequest, sha256: str) -> dict[str, Any]:
    """Gather what the page of a sample shows."""
    found = get_object_or_404(Sample, sha256=sha256)
    every = found.runs.select_related("sample", "submitted_by").prefetch_related("verdicts")
    runs = [described(run) for run in every[:EARLIER]]
    wanted = as_uuid(request.GET.get("run"))
    if wanted and wanted not in [run.id for run in runs]:
        runs.extend(described(run) for run in every.filter(id=wanted))
    run = next((run for run in runs if run.id == wanted), runs[0] if runs else None)
    names = sorted(set(found.runs.order_by().values_list("name", flat=True).distinct()[:EARLIER]))
    return {
        "sample": found,
        "run": run,
        "runs": runs,
        "more": max(0, found.runs.count() - len(runs)),
        "names": names,
        "verdicts": shown_verdicts(run) if run else [],
        "mark": f"{run.id}.{run.mark}.{runs[0].id}.{runs[0].mark}" if run else "",
        "live": any(run.open for run in runs),
        "password": ZIP_PASSWORD,
    }


def shown_verdicts(run: ScanRun) -> list[Verdict]:
    """Add to verdicts what the page shows of them. Engines that look for infection come first, those that describe
    last.

    A piece of metadata is its key, its value, and the search that finds the samples which share it.
    """
    verdicts = sorted(
        run.verdicts.all(), key=lambda verdict: (verdict.outcome == Verdict.Outcome.DESCRIBED, verdict.engine)
    )
    for verdict in verdicts:
        verdict.took = ""
        if verdict.duration is not None:
            verdict.took = duration(verdict.duration) if verdict.duration >= SHORT else "< 1 ms"
        verdict.facts = [
            (key, value, search_link(key, value))
            for key, value in sorted((key, value or "") for key, value in verdict.metadata.items())
        ]
    return verdicts


def search_link(key: str, value: str) -> str:
    """Return the search for a piece of metadata, or "" where a search cannot say it: it is too long, or its key odd."""
    query = f"{key}={value}"
    return f"{reverse('home')}?{urlencode({'q': query})}" if parse_query(query).pair == (key, value) else ""


@page
@require_POST
def sample_rescan(request: HttpRequest, sha256: str) -> HttpResponse:
    """Scan a sample once more."""
    found = get_object_or_404(Sample, sha256=sha256)
    try:
        rescan(found, request.user)
    except SubmitError as error:
        return refusal(request, error)
    return redirect("sample", sha256)


# downloads: a sample never opens in the browser


def download(view: Callable[..., HttpResponseBase]) -> Callable[..., HttpResponseBase]:
    """Let who is permitted have a sample; mark what a view answers as bytes to be kept, never to be shown or run."""

    @functools.wraps(view)
    def wrapped(request: HttpRequest, sha256: str) -> HttpResponseBase:
        if not request.user.has_perm("scaggr.download_sample"):
            raise PermissionDenied
        try:
            response = view(request, get_object_or_404(Sample, sha256=sha256))
        except OSError as error:
            raise Http404("The sample's bytes are gone.") from error
        response.headers["Content-Type"] = "application/octet-stream"
        response.headers["X-Content-Type-Options"] = "nosniff"
        response.headers["Content-Security-Policy"] = "sandbox; default-src 'none'"
        return response

    return page(wrapped)


@download
@require_GET
def sample_raw(request: HttpRequest, found: Sample) -> HttpResponseBase:
    """Send the bytes as they are."""
    return FileResponse(found.path.open("rb"), as_attachment=True, filename=found.sha256)


@download
@require_GET
def sample_zip(request: HttpRequest, found: Sample) -> HttpResponseBase:
    """Send the bytes in a zip that does not open by mistake."""
    chunks = read(found.path)
    member = (found.sha256, found.first_seen, 0o100600, ZIP_AUTO(found.size, level=1), chunks)
    response = StreamingHttpResponse(stream_zip([member], password=ZIP_PASSWORD))
    response.headers["Content-Disposition"] = f'attachment; filename="{found.sha256}.zip"'
    return response


def read(path: Path) -> Iterator[bytes]:
    """Return the chunks of a file that is opened at once, so that a missing one is known before anything is sent."""
    file = path.open("rb")

    def chunks() -> Iterator[bytes]:
        with file:
            while chunk := file.read(CHUNK):
                yield chunk

    return chunks()


# Server Status


@page
@require_GET
def status(request: HttpRequest) -> HttpResponse:
    """Show workers, engines, queues and the last snapshots of the camera."""
    return render(request, "status.html", server_status())


@page
@require_GET
def status_parts(request: HttpRequest) -> HttpResponse:
    """Answer with what moves on Server Status."""
    return render(request, "parts/status.html", server_status())
