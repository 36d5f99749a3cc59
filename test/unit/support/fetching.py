"""A sample that a worker claims."""

from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import pytest


class Claimed:
    """A verdict and its run, without a database."""

    def __init__(self, scaggr: Any, monkeypatch: pytest.MonkeyPatch, path: Path) -> None:
        self.module = scaggr.scanning.claim
        self.verdict = scaggr.models.Verdict(engine="yara", fetch_key=uuid4())
        found = SimpleNamespace(update=self.update)
        verdicts = SimpleNamespace(get=lambda **_: self.verdict, filter=lambda **_: found)
        run = SimpleNamespace(sample=SimpleNamespace(path=path), sample_id="5c1c", verdicts=verdicts)
        monkeypatch.setattr(self.module, "lock_run", lambda **_: run)
        monkeypatch.setattr(self.module, "give_up", self.give_up)
        monkeypatch.setattr(self.module.transaction, "atomic", nullcontext)

    def update(self, attempts: Any, delivery: str) -> None:
        """Count, and note what for."""
        self.verdict.attempts += 1
        self.verdict.delivery = delivery

    def give_up(self, _: Any, verdicts: list[Any], outcome: str, error: str) -> None:
        """End the verdict."""
        (verdict,) = verdicts
        verdict.outcome, verdict.error = outcome, error

    def fetch(self, delivery: str) -> int:
        """Claim the sample for a delivery and return the status."""
        status, file = self.module.claim(self.module.signature(self.verdict), delivery)
        assert (file is not None) == (status == 200)
        if file:
            file.close()
        return status
