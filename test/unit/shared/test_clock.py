"""Comparisons of times, of which any may be in the future."""

import importlib
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture
def clock(project: Path) -> Any:
    """The module."""
    return importlib.import_module("shared.clock")


@pytest.mark.parametrize(
    ("passed", "recent", "said"),
    [
        (0, True, "0 s"),
        (29, True, "29 s"),
        (31, False, "31 s"),
        (-5, True, "0 s"),
        (-7200, False, "an unknown time (the clock was ahead)"),
    ],
)
def test_moments(clock: Any, passed: float, recent: bool, said: str) -> None:
    """What is in the future is not recent, and how long ago it was no one knows."""
    moment = clock.now() - timedelta(seconds=passed)
    assert clock.is_recent(moment, timedelta(seconds=30)) is recent
    assert clock.ago(moment) == said
    assert clock.is_ahead(moment) is (passed < -10)


def test_what_never_was_is_not_recent(clock: Any) -> None:
    """A time may be missing."""
    assert not clock.is_recent(None, timedelta(days=1))


@pytest.mark.parametrize(
    ("offset", "said"),
    [(0.0, ""), (60.0, ""), (-60.0, ""), (61.0, "61 s ahead of this host's"), (-3600.2, "3600 s behind this host's")],
)
def test_clocks_of_two_hosts(clock: Any, offset: float, said: str) -> None:
    """They may differ a little."""
    assert clock.apart(offset) == said


def test_a_clock_that_is_set_back(clock: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is noticed once; one that is put forward, or moved by a little, is as well as any."""
    begin, moved = clock.now(), [0.0]
    monkeypatch.setattr(clock, "now", lambda: begin + timedelta(seconds=moved[0]))
    monkeypatch.setattr(clock, "monotonic", lambda: 0.0)
    watch = clock.Watch()
    for now, noticed in ((0.0, False), (-5.0, False), (7200.0, False), (0.0, True), (0.0, False)):
        moved[0] = now
        assert watch.was_set_back() is noticed
