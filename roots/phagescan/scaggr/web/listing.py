"""The first page: samples are handed in, and listed as they are searched for."""

from collections.abc import Mapping
from math import ceil
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_GET, require_POST

from scaggr.models import ScanRun, Verdict
from scaggr.scanning.runs import as_uuid, summary
from scaggr.scanning.search import MOST, Found, Start, search
from scaggr.scanning.submit import submit
from scaggr.web.errors import SubmitError, TooBigError
from scaggr.web.pages import page
from scaggr.web.uploads import received
from shared.text import QUERY_LENGTH

PAGE = 25
"""Rows of a page of the list."""

POLLED = 200
"""Rows that are looked up at once for a page that is open."""


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
        runs = submit(received(request), request.user.id)
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
