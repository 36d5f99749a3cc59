"""The pages of the list."""

import importlib
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import pytest
from django.http import QueryDict

ONE, TWO = UUID(int=1), UUID(int=2)


@pytest.fixture
def search(scaggr: Any) -> Any:
    """The module."""
    return importlib.import_module("scaggr.scanning.search")


@pytest.mark.parametrize(
    ("asked", "start", "number"),
    [
        ("", (0, None, None), 1),
        ("page=3", (50, None, None), 3),
        ("page=0", (0, None, None), 1),
        ("page=x&after=y", (0, None, None), 1),
        ("page=5000", (9_975, None, None), 400),
        ("page=" + "9" * 5000, (0, None, None), 1),
        (f"after={ONE}", (0, ONE, None), None),
        (f"page=3&after={ONE}", (0, ONE, None), 3),
        (f"page=3&after={ONE}&before={TWO}", (0, None, TWO), 3),
    ],
)
def test_where_a_page_begins(search: Any, asked: str, start: tuple[Any, ...], number: int | None) -> None:
    """Whatever is asked for is some page."""
    listing = importlib.import_module("scaggr.web.listing")
    assert listing.start_of(QueryDict(asked)) == (search.Start(*start), number)


@pytest.mark.parametrize(
    ("more", "further", "start", "number", "places"),
    [
        (False, False, (), 1, {}),
        (False, True, (), 1, {"older": {"page": 2}}),
        (False, True, (50,), 3, {"newer": {"page": 2}, "older": {"page": 4}}),
        (True, True, (), 1, {"older": {"page": 2, "after": TWO}}),
        (True, True, (50,), 3, {"newer": {"page": 2, "before": ONE}, "older": {"page": 4, "after": TWO}}),
        (True, True, (9_975,), 400, {"newer": {"page": 399, "before": ONE}, "older": {"after": TWO}}),
        (True, True, (0, TWO), None, {"newer": {"before": ONE}, "older": {"after": TWO}}),
        (True, False, (0, TWO), None, {"newer": {"before": ONE}}),
        (True, True, (0, None, TWO), 2, {"newer": {"page": 1}, "older": {"page": 3, "after": TWO}}),
        (True, False, (0, None, TWO), 1, {"older": {"page": 2, "after": TWO}}),
        (False, True, (0, TWO), None, {"newer": {"before": ONE}, "older": {"after": TWO}}),
    ],
)
def test_links_to_the_next_pages(
    search: Any, more: bool, further: bool, start: tuple[Any, ...], number: int | None, places: dict[str, Any]
) -> None:
    """From number to number, and from scan to scan where there are many, or no numbers any more."""
    listing = importlib.import_module("scaggr.web.listing")
    found = search.Found([SimpleNamespace(id=ONE), SimpleNamespace(id=TWO)], 10_000, more, further)
    assert listing.neighbours(found, search.Start(*start), number, 400) == places
