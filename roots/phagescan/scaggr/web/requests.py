"""What was wrong with a request that Django refuses, in words."""

import logging

from django.conf import settings
from django.core.exceptions import DisallowedHost, TooManyFilesSent
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.http.request import host_validation_re, split_domain_port
from django.shortcuts import render

from shared.text import clip

logger = logging.getLogger(__name__)

STATUS = 400

UNKNOWN_PROXY = "a form was refused that came by a proxy which phagescan:proxies does not name, at"
"""The doctor looks for it in the log."""


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer with the reason, as page or as JSON."""
    host = clip(request.META.get("HTTP_HOST", ""), 100)
    why = wrong_host(host) if isinstance(exception, DisallowedHost) else objection(exception)
    if request.path.startswith("/api/"):
        return JsonResponse({"detail": why or "The request cannot be read."}, status=STATUS)
    return render(request, "400.html", {"why": why}, status=STATUS)


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """Say that a form was refused, and which setting is missing where it came by a proxy that no one has named."""
    # By the port it is any process that says so, see scaggr.web.login.client_address.
    proxy = "" if request.META["REMOTE_ADDR"] else clip(request.headers.get("X-Unknown-Proxy", ""), 100)
    if proxy:
        logger.warning("%s %s: %s", UNKNOWN_PROXY, proxy, reason)
    hidden = request.headers.get("Origin", "").startswith("https://") and not request.is_secure()
    return render(request, "403_csrf.html", {"proxy": proxy, "hidden": hidden}, status=403)


def objection(error: Exception) -> str:
    """Return what is wrong where that is not what Django says, or ""."""
    if isinstance(error, TooManyFilesSent):
        most = settings.DATA_UPLOAD_MAX_NUMBER_FILES
        return f"An upload may have {most} files, and this one has more. Nothing was stored; send them in parts."
    return ""


def wrong_host(host: str) -> str:
    """Say why this server does not answer to a name."""
    if host_validation_re.fullmatch(host.lower()):
        name = split_domain_port(host)[0]
        return f"This server does not answer to the name {name}: its operator has to add it to phagescan:allowed_hosts."
    why = ", as it has an underscore" if "_" in host else ""
    said = f"{host or 'An empty name'} is no valid name of a host{why}."
    return f"{said} Ask for this server by its address or by another name."
