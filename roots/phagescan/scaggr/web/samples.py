"""The page of a sample: its verdicts, its other runs, and what they have found."""

from typing import Any
from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_POST

from scaggr.health.canary import duration
from scaggr.models import Sample, ScanRun, Verdict
from scaggr.scanning.runs import as_uuid
from scaggr.scanning.submit import rescan
from scaggr.web.downloads import ZIP_PASSWORD
from scaggr.web.errors import SubmitError
from scaggr.web.listing import described, refusal
from scaggr.web.pages import page
from shared.text import parse_query

EARLIER = 20
"""Runs of a sample that its page lists."""

SHORT = 0.001
"""Seconds: below this no one wants to know more."""


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
        rescan(found, request.user.id)
    except SubmitError as error:
        return refusal(request, error)
    return redirect("sample", sha256)
