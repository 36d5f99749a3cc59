"""What the API says is wrong."""

import logging
from collections.abc import Callable
from typing import Any

from django.core.exceptions import BadRequest, SuspiciousOperation
from django.db import InterfaceError, OperationalError
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.http.multipartparser import MultiPartParserError
from django.http.request import UnreadablePostError
from ninja.errors import AuthenticationError, ValidationError

from scaggr.web.errors import SubmitError
from scaggr.web.requests import objection

logger = logging.getLogger(__name__)


def on_no_token(request: HttpRequest, error: AuthenticationError) -> HttpResponse:
    """Say how to come in."""
    response = refuse("A valid token is needed: Authorization: Bearer <token>.", 401)
    response.headers["WWW-Authenticate"] = "Bearer"
    return response


def on_refusal(request: HttpRequest, error: SubmitError) -> HttpResponse:
    """Say why a file is not taken."""
    return refuse(str(error), error.status)


def on_bad_value(request: HttpRequest, error: ValidationError) -> HttpResponse:
    """Name the values that cannot be, in one line."""
    return refuse("; ".join(f"{part['loc'][-1]}: {part['msg']}" for part in error.errors), 422)


def on_nothing(request: HttpRequest, error: Http404) -> HttpResponse:
    """Say that there is no such thing."""
    return refuse("There is nothing here.", 404)


def on_broken_form(request: HttpRequest, error: MultiPartParserError) -> HttpResponse:
    """Say what is wrong with a form. The headers of its parts are limited, and a file's name is most of them."""
    if "header size" in str(error):
        return refuse("The name of the file is too long.", 400)
    return refuse(f"The upload cannot be read: {error}", 400)


def on_bad_request(request: HttpRequest, error: Exception) -> HttpResponse:
    """Say what else is wrong with a request."""
    return refuse(objection(error) or f"The request cannot be read: {error}", 400)


def on_no_database(request: HttpRequest, error: Exception) -> HttpResponse:
    """Say that it is worth another try."""
    logger.error("%s %s failed: %s", request.method, request.path, str(error).strip())
    return refuse("The server cannot work with its database just now. Try again.", 503)


def on_error(request: HttpRequest, error: Exception) -> HttpResponse:
    """Say that it is not the client's fault, and what it was only to the log."""
    logger.error("%s %s failed", request.method, request.path, exc_info=error)
    return refuse("The server failed. Its log says why.", 500)


def refuse(detail: str, status: int) -> HttpResponse:
    """Return an error."""
    return JsonResponse({"detail": detail}, status=status)


HANDLERS: dict[type[Exception], Callable[[HttpRequest, Any], HttpResponse]] = {
    AuthenticationError: on_no_token,
    SubmitError: on_refusal,
    ValidationError: on_bad_value,
    Http404: on_nothing,
    MultiPartParserError: on_broken_form,
    UnreadablePostError: on_bad_request,
    BadRequest: on_bad_request,
    SuspiciousOperation: on_bad_request,
    InterfaceError: on_no_database,
    OperationalError: on_no_database,
    Exception: on_error,
}
"""What answers for which exception; the nearest class counts."""
