"""What is asked of the engines, and of the broker."""
# ruff: noqa: D103  (the names of the tests say it)

import importlib
from contextlib import nullcontext
from datetime import timedelta
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import pytest
from amqp.exceptions import AccessRefused
from kombu.exceptions import OperationalError

from sending import Broker


@pytest.mark.parametrize("trouble", [ConnectionRefusedError(), OperationalError(), AccessRefused(), TimeoutError()])
def test_an_upload_does_without_the_broker(scaggr: Any, monkeypatch: pytest.MonkeyPatch, trouble: Exception) -> None:
    broker = Broker(importlib.import_module("shared.broker"), monkeypatch)
    broker.away = trouble
    assert scaggr.scanning.dispatch.request_dispatch("run") is False
    broker.away = None
    assert scaggr.scanning.dispatch.request_dispatch("run") is True
    assert broker.sent == ["scaggr.dispatch"]


class Opened:
    """A run that is to be dispatched, without a database."""

    dispatched_at = finished_at = None

    def __init__(self, run: Any, verdicts: list[Any]) -> None:
        self.created_at = run.created_at
        self.verdicts = SimpleNamespace(exists=lambda: True, all=lambda: verdicts)

    def save(self, **_: Any) -> None:
        """Keep nothing."""


def test_no_message_to_a_worker_says_when_it_is_too_late(scaggr: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    module, sent = scaggr.scanning.dispatch, []
    for created, left in ((timedelta(seconds=-60), 540), (timedelta(hours=2), 600), (timedelta(seconds=-601), None)):
        run = scaggr.models.ScanRun(created_at=module.timezone.now() + created)
        verdicts = [scaggr.models.Verdict(run=run, engine="yara", fetch_key=uuid4())]
        monkeypatch.setattr(module, "lock_run", lambda run=run, verdicts=verdicts, **_: Opened(run, verdicts))
        monkeypatch.setattr(module.transaction, "atomic", nullcontext)
        monkeypatch.setattr(module, "publish", lambda task, **options: sent.append(options))
        sent.clear()
        module.dispatch("run")
        assert [round(options["expiration"]) for options in sent] == ([left] if left else [])
        assert not any("expires" in options or "eta" in options for options in sent)


def test_no_message_lives_longer_than_the_broker_can_count(scaggr: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    module, sent = scaggr.scanning.dispatch, []
    monkeypatch.setattr(importlib.import_module("django.conf").settings, "SCAN_EXPIRES", 2**31)
    run = scaggr.models.ScanRun(created_at=module.timezone.now())
    verdicts = [scaggr.models.Verdict(run=run, engine="yara", fetch_key=uuid4())]
    monkeypatch.setattr(module, "lock_run", lambda **_: Opened(run, verdicts))
    monkeypatch.setattr(module.transaction, "atomic", nullcontext)
    monkeypatch.setattr(module, "publish", lambda task, **options: sent.append(options["expiration"]))
    module.dispatch("run")
    assert 0 < sent[0] * 1000 < 2**32
