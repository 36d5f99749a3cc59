"""How scans are searched for; what the searches cost is test/host/test_search.py."""

import importlib
from typing import Any
from uuid import UUID

import pytest

ONE, TWO = UUID(int=1), UUID(int=2)


@pytest.fixture
def search(scaggr: Any) -> Any:
    """The module."""
    return importlib.import_module("scaggr.scanning.search")


def statements(search: Any, q: str) -> list[tuple[str, tuple[Any, ...]]]:
    """All that may become of a search."""
    ways = search.ways(search.parse_query(q))
    return [query.query.sql_with_params() for query in (*(way.ids for way in ways), search.marked(ways, ways))]


@pytest.mark.parametrize("q", ["%", "\0\ud800", "a=b", "a=", "abcdef", "f" * 64, "'", "x" * 100_000])
def test_every_search_becomes_statements(search: Any, q: str) -> None:
    """Nothing is refused, and PostgreSQL takes what is searched for."""
    for sql, values in statements(search, q):
        assert "scaggr_" in sql
        assert all("\0" not in value for value in values if isinstance(value, str))
        assert "avals" not in sql


@pytest.mark.parametrize("q", ["inv", "a.exe", "v1 über", "日本語"])
def test_three_letters_are_found_anywhere(search: Any, q: str) -> None:
    """Three letters or digits in a row make a trigram, of which there is an index."""
    assert all(f"%{q}%" in values for _, values in statements(search, q))


@pytest.mark.parametrize("q", ["a", "ab", "~$", "a.b", "...", "__x__", "1-2-3"])
def test_what_has_no_trigram_is_a_beginning(search: Any, q: str) -> None:
    """An index of trigrams would be read from end to end."""
    pattern = q.replace("_", r"\_") + "%"
    assert all(pattern in values for _, values in statements(search, q))


@pytest.mark.parametrize(("q", "tables"), [("abcdef", 5), ("f" * 33, 3), ("f" * 64, 3), ("key=value", 3), ("name", 2)])
def test_each_way_has_an_index(search: Any, q: str, tables: int) -> None:
    """No way is an alternative of two, which would have none. A long hash is not looked for among the names."""
    ways = [sql for sql, _ in statements(search, q)[:-1]]
    assert len(ways) == tables
    assert not any(" OR " in sql for sql in ways)


class Asked:
    """The statements of a search, with answers given before."""

    def __init__(self, search: Any, monkeypatch: pytest.MonkeyPatch, each: list[int], walked: Any) -> None:
        self.log: list[Any] = []
        self.each, self.walked = each, walked
        monkeypatch.setattr(search, "ordered", self.ordered)
        monkeypatch.setattr(search, "walk", self.walk)
        monkeypatch.setattr(search, "count_all", lambda: 3)

    def ordered(self, every: list[Any], size: int, place: Any, most: int | None = None) -> tuple[int, list[int], list]:
        """Put in order what was found."""
        self.log.append(("ordered", most))
        return sum(self.each), self.each, [ONE]

    def walk(self, common: list[Any], size: int, place: Any, rare: Any = ()) -> Any:
        """Look at the newest."""
        self.log.append(("walk", len(common), len(rare)))
        return self.walked


@pytest.mark.parametrize(
    ("q", "each", "walked", "log", "ids"),
    [
        ("", [], [TWO], [("walk", 0, 0)], [TWO]),
        ("name", [4, 6], None, [("ordered", 10_000)], [ONE]),
        ("name", [9_999, 1], None, [("ordered", 10_000)], [ONE]),
        ("name", [10_001, 6], [TWO], [("ordered", 10_000), ("walk", 1, 1)], [TWO]),
        ("name", [9_000, 9_000], [TWO], [("ordered", 10_000), ("walk", 0, 2)], [TWO]),
        ("f" * 64, [10_001, 0, 0], [TWO], [("ordered", 10_000), ("walk", 0, 3)], [TWO]),
        ("name", [10_001, 10_001], [], [("ordered", 10_000), ("walk", 2, 0)], []),
        ("name", [10_001, 6], None, [("ordered", 10_000), ("walk", 1, 1), ("ordered", None)], [ONE]),
    ],
)
def test_how_it_is_searched(
    search: Any, monkeypatch: pytest.MonkeyPatch, q: str, each: list[int], walked: Any, log: list[Any], ids: list[UUID]
) -> None:
    """What is rare is put in order, what is common is looked for from the newest on; what is common and old by both."""
    asked = Asked(search, monkeypatch, each, walked)
    assert search.find(q, 26, search.Place(search.Start())) == (sum(each) if q else 3, ids)
    assert asked.log == log


def test_counting_ends(search: Any) -> None:
    """Where it ends it says so."""
    assert search.Found([], 10_000, True, True).counted == "More than 10,000"
    assert search.Found([], 10_000, False, True).counted == "10,000"
