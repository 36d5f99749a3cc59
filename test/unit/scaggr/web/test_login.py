"""Who logs in."""
# ruff: noqa: D103  (the names of the tests say it)

import importlib
from typing import Any

import pytest
from django.http import HttpRequest


@pytest.mark.parametrize(
    ("meta", "address"),
    [
        ({"REMOTE_ADDR": "", "HTTP_X_REAL_IP": "192.0.2.1"}, "192.0.2.1"),
        ({"REMOTE_ADDR": "127.0.0.1", "HTTP_X_REAL_IP": "192.0.2.1"}, "127.0.0.1"),
        ({"REMOTE_ADDR": "127.0.0.1"}, "127.0.0.1"),
        ({"REMOTE_ADDR": "192.0.2.2", "HTTP_X_REAL_IP": "192.0.2.1"}, "192.0.2.2"),
        ({"REMOTE_ADDR": "127.0.0.1", "HTTP_X_FORWARDED_FOR": "192.0.2.1"}, "127.0.0.1"),
    ],
)
def test_only_the_proxy_speaks_for_a_client(
    scaggr: Any, monkeypatch: pytest.MonkeyPatch, meta: dict[str, str], address: str
) -> None:
    request = HttpRequest()
    request.META = meta
    assert importlib.import_module("scaggr.web.login").client_address(request) == address
