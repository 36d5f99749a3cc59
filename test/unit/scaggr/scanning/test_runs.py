"""What verdicts amount to."""
# ruff: noqa: D103  (the names of the tests say it)

from types import SimpleNamespace
from typing import Any

import pytest


@pytest.mark.parametrize(
    ("outcomes", "infected"),
    [
        ([], None),
        (["described"], None),
        (["pending", "clean"], None),
        (["pending", "infected"], True),
        (["clean", "described"], False),
        (["clean", "infected"], True),
        (["clean", "timed_out"], None),
        (["clean", "error", "described"], None),
        (["clean", "clean"], False),
        (["infected", "error", "timed_out"], True),
        (["described", "error"], None),
        (["error", "timed_out"], None),
    ],
)
def test_a_run_is_summed_up(scaggr: Any, outcomes: list[str], infected: bool | None) -> None:
    verdicts = [scaggr.models.Verdict(outcome=outcome, name="Threat") for outcome in outcomes]
    run = SimpleNamespace(verdicts=SimpleNamespace(all=lambda: verdicts), status=scaggr.models.ScanRun().status)
    summed = scaggr.scanning.runs.summary(run)
    assert summed == {"status": "waiting", "infected": infected, "threats": ["Threat"] if infected else []}
