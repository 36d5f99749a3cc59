"""Server Status."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from scaggr.health.status import server_status
from scaggr.web.pages import page


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
