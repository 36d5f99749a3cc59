"""How the server is, and every address of the API that is not for samples."""

from typing import Any

from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from ninja import Router

from scaggr.api.schemas import ErrorOut
from scaggr.health.status import server_status

router = Router()


@router.get("status", response={200: dict[str, Any], 401: ErrorOut}, summary="How the server is")
def get_status(request: HttpRequest) -> dict[str, Any]:
    """Return nodes, engines, queues, runs, canaries, the heartbeat and the last snapshots of the tasks."""
    return server_status()


@router.get("", include_in_schema=False, auth=None)
def root(request: HttpRequest) -> HttpResponse:
    """Lead to the documentation."""
    return HttpResponseRedirect(reverse("api:openapi-view"))


@router.api_operation(["GET", "POST", "PUT", "PATCH", "DELETE"], "{path:rest}", include_in_schema=False, auth=None)
def nothing(request: HttpRequest, rest: str) -> None:
    """Answer for every other address."""
    raise Http404
