"""What the API says of what goes wrong."""

import importlib
import json
from collections.abc import Callable
from typing import Any

import pytest
from django.core.exceptions import SuspiciousOperation, TooManyFilesSent
from django.db import InterfaceError, OperationalError
from django.http import Http404
from django.http.multipartparser import MultiPartParserError
from django.http.request import UnreadablePostError


@pytest.mark.parametrize(
    ("error", "status", "said"),
    [
        (Http404("secret"), 404, "There is nothing here."),
        (MultiPartParserError("Request max total header size exceeded."), 400, "The name of the file is too long."),
        (MultiPartParserError("Invalid boundary"), 400, "The upload cannot be read: Invalid boundary"),
        (UnreadablePostError("closed"), 400, "The request cannot be read: closed"),
        (SuspiciousOperation("odd"), 400, "The request cannot be read: odd"),
        (TooManyFilesSent(), 400, "An upload may have 100 files"),
        (OperationalError("secret"), 503, "The server cannot work with its database just now. Try again."),
        (InterfaceError("secret"), 503, "The server cannot work with its database just now. Try again."),
        (ValueError("secret"), 500, "The server failed. Its log says why."),
    ],
)
def test_error(scaggr_module: Callable[[str], Any], error: Exception, status: int, said: str) -> None:
    """Whose fault it is, and what can be done; the server's own secrets are not said."""
    request = importlib.import_module("django.test").RequestFactory().post("/api/samples")
    answer = scaggr_module("api.site").api.on_exception(request, error)
    detail = json.loads(answer.content)["detail"]
    assert (answer.status_code, detail.startswith(said)) == (status, True)
    assert "secret" not in detail


def test_a_refused_upload(scaggr_module: Callable[[str], Any]) -> None:
    """The reason has its status."""
    request = importlib.import_module("django.test").RequestFactory().post("/api/samples")
    refusal = scaggr_module("web.errors").SubmitError("The file is empty.", 400)
    answer = scaggr_module("api.site").api.on_exception(request, refusal)
    assert (answer.status_code, json.loads(answer.content)) == (400, {"detail": "The file is empty."})
