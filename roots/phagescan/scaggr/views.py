"""The front page."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from scaggr.models import Canary, Heartbeat, WorkerState


def home(request: HttpRequest) -> HttpResponse:
    """Show how the master is: the canary's flights, the nodes, and who sends the periodic tasks."""
    return render(
        request,
        "home.html",
        {
            "canaries": Canary.objects.all()[:10],
            "workers": WorkerState.objects.all(),
            "heartbeat": Heartbeat.objects.first(),
        },
    )
