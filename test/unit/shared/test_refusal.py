"""A login that the broker refuses is tried again for a while, in the process that has it."""
# ruff: noqa: D103  (the names of the tests say it)

import importlib
from pathlib import Path
from typing import Any

import pytest
from amqp.exceptions import AccessRefused


class Broker:
    """A connection to a broker that refuses the login so many times."""

    channel_errors = (AccessRefused,)

    def __init__(self, refusals: int) -> None:
        self.refusals, self.tries, self.waited = refusals, 0, 0.0

    def connect(self) -> None:
        """Log in."""
        self.tries += 1
        if self.tries <= self.refusals:
            raise AccessRefused

    def wait(self, seconds: float) -> None:
        """Let time pass."""
        self.waited += seconds


@pytest.fixture
def refusal(project: Path) -> Any:
    return importlib.import_module("shared.refusal")


@pytest.mark.parametrize("refusals", [0, 1, 9])
def test_login_that_is_right_in_a_moment(refusal: Any, monkeypatch: pytest.MonkeyPatch, refusals: int) -> None:
    broker = Broker(refusals)
    monkeypatch.setattr(refusal.time, "sleep", broker.wait)
    refusal.connect(broker)
    assert broker.tries == refusals + 1
    assert broker.waited == 2 * refusals


def test_login_that_stays_wrong_costs_a_start_in_18_seconds(refusal: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    broker = Broker(1000)
    monkeypatch.setattr(refusal.time, "sleep", broker.wait)
    with pytest.raises(AccessRefused):
        refusal.connect(broker)
    assert broker.waited == 18


def test_node_that_is_told_to_stop_does_not_wait(refusal: Any) -> None:
    def stop() -> None:
        raise SystemExit

    with pytest.raises(SystemExit):
        refusal.connect(Broker(1000), stop)


def test_broker_that_is_away_is_no_refusal(refusal: Any) -> None:
    class Away(Broker):
        def connect(self) -> None:
            raise ConnectionRefusedError

    with pytest.raises(ConnectionRefusedError):
        refusal.connect(Away(0))
