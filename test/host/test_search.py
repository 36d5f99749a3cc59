"""Searches among many samples read what they need, and no table from end to end."""

import json
from typing import Any

import pytest

from support.machine import CHECKOUT, Machine

pytestmark = [pytest.mark.clone("scan"), pytest.mark.once]

SAMPLES = 40_000


@pytest.fixture(scope="module")
def searches(machine: Machine) -> dict[str, dict[str, Any]]:
    """What each search has read, in a database of release 1.1 that was filled and then migrated."""
    return json.loads(machine.run(f"{CHECKOUT}/bench/search --explain --samples {SAMPLES}").ok().stdout)


def test_no_search_reads_a_table(searches: dict[str, dict[str, Any]]) -> None:
    """By hash, beginning, name, threat, key and value, rare and common, page after page."""
    assert len(searches) > 15
    assert {what: read["whole"] for what, read in searches.items() if read["whole"]} == {}
    assert {what: read["read"] for what, read in searches.items() if read["read"] > SAMPLES / 2} == {}


def test_searches_find(searches: dict[str, dict[str, Any]]) -> None:
    """What is rare is found, and of what is common a page."""
    assert {what for what, read in searches.items() if not read["found"]} == {"name, none"}
    assert all(read["found"] == 25 for what, read in searches.items() if " one in " in what or what.startswith("all"))
