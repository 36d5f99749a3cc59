"""What is kept of a node."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest


@pytest.mark.parametrize("sent", [None, "x", 0, -5, 2**40, 1.5])
def test_a_worker_that_does_not_say_its_time(scaggr_module: Callable[[str], Any], sent: Any) -> None:
    """Nothing is kept of it, as of one of the release before."""
    nodes = scaggr_module("nodes")
    nodes.note_clock("scan@unit", sent)


def test_the_clock_of_a_worker(scaggr_module: Callable[[str], Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """Kept is by how much it is ahead."""
    nodes, kept = scaggr_module("nodes"), []

    def update(clock: float) -> None:
        kept.append(clock)

    found = SimpleNamespace(update=update)
    monkeypatch.setattr(nodes, "Node", SimpleNamespace(objects=SimpleNamespace(filter=lambda **_: found)))
    for ahead in (0, 3600, -90):
        nodes.note_clock("scan@unit", int(nodes.clock.now().timestamp()) + ahead)
    assert [round(offset / 10) * 10 for offset in kept] == [0, 3600, -90]
