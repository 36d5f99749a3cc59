"""What a page makes of a request and of metadata."""
# ruff: noqa: D103  (the names of the tests say it)

import importlib
from types import SimpleNamespace
from urllib.parse import parse_qs, urlsplit

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
    scaggr: SimpleNamespace, monkeypatch: pytest.MonkeyPatch, meta: dict[str, str], address: str
) -> None:
    request = HttpRequest()
    request.META = meta
    assert importlib.import_module("scaggr.views").client_address(request) == address


@pytest.mark.parametrize(
    ("key", "value", "found"),
    [
        ("type", "PE32 = x: y", True),
        ("type", "ü" * 295, True),
        ("type", "x" * 296, False),
        ("type", "", True),
        ("a:b", "c", False),
        ("a", " b", False),
        (" a", "b", False),
    ],
)
def test_metadata_is_a_link_where_the_search_finds_it(
    scaggr: SimpleNamespace, monkeypatch: pytest.MonkeyPatch, key: str, value: str, found: bool
) -> None:
    views, parse = importlib.import_module("scaggr.views"), importlib.import_module("scaggr.text").parse_query
    link = views.search_link(key, value)
    assert bool(link) is found
    if found:
        (query,) = parse_qs(urlsplit(link).query)["q"]
        assert parse(query).pair == (key, value)
