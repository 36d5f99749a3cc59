"""What is done to every answer."""

import importlib
from typing import Any

import pytest
from django.http import HttpRequest, HttpResponse


@pytest.mark.parametrize("secure", [True, False])
def test_cookies(scaggr: Any, monkeypatch: pytest.MonkeyPatch, secure: bool) -> None:
    """They are for HTTPS alone where the answer goes by it, and there alone: one logs in at 127.0.0.1 by HTTP."""
    request = HttpRequest()
    monkeypatch.setattr(request, "is_secure", lambda: secure)

    def view(_: HttpRequest) -> HttpResponse:
        response = HttpResponse()
        response.set_cookie("sessionid", "x")
        return response

    answer = importlib.import_module("scaggr.web.middleware").secure_cookies(view)(request)
    assert bool(answer.cookies["sessionid"]["secure"]) is secure
