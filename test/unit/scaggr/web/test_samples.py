"""What the page of a sample makes of metadata."""
# ruff: noqa: D103  (the names of the tests say it)

import importlib
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest


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
def test_metadata_is_a_link_where_the_search_finds_it(scaggr: Any, key: str, value: str, found: bool) -> None:
    parse = importlib.import_module("shared.text").parse_query
    link = importlib.import_module("scaggr.web.samples").search_link(key, value)
    assert bool(link) is found
    if found:
        (query,) = parse_qs(urlsplit(link).query)["q"]
        assert parse(query).pair == (key, value)
