"""Who comes in: users by their password, and uploads that the proxy asks about."""

import time
from typing import Any

from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.views import LoginView
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET
from django_htmx.http import HttpResponseClientRefresh

from scaggr.api.auth import BearerToken
from scaggr.models import ApiToken
from scaggr.web import room
from scaggr.web.errors import NoRoomError
from scaggr.web.pages import page

KNOWN_FOR = 5.0
"""Seconds that an upload begins to be received after its token was valid."""

MOST_KNOWN = 1000
known: dict[str, float] = {}
"""Digests of such tokens, and until when."""


@login_not_required
@never_cache
@require_GET
def authorize(request: HttpRequest) -> HttpResponse:
    """Tell the proxy whether it is to receive an upload: 204, 401 where its client may not, 403 where there is no
    room.
    """
    if not request.user.is_authenticated and not may_come_in(request):
        return HttpResponse(status=401)
    length = request.headers.get("X-Upload-Length", "")
    try:
        room.need(int(length) if length.isdecimal() else 0, settings.FILE_UPLOAD_TEMP_DIR, settings.UPLOAD_SPOOL)
    except NoRoomError:
        return HttpResponse(status=403)
    return HttpResponse(status=204)


def may_come_in(request: HttpRequest) -> bool:
    """Tell whether a request has a token that was valid a few seconds ago: the upload itself asks again."""
    digest = ApiToken.digest_of(request.headers.get("Authorization", ""))
    if known.get(digest, 0.0) > time.monotonic():
        return True
    if not BearerToken()(request):
        return False
    if len(known) >= MOST_KNOWN:
        known.clear()
    known[digest] = time.monotonic() + KNOWN_FOR
    return True


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
