"""A sample that a worker claims."""

from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest


class Claimed:
    """A verdict that is asked for, and its sample."""

    def __init__(self, scaggr: Any, database: Any, monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
        self.module = scaggr.scanning.claim
        monkeypatch.setattr(self.module.settings, "SAMPLE_ROOT", str(folder))
        sample = database.Sample.objects.create(sha256="a" * 64, size=5)
        run = database.ScanRun.objects.create(sample=sample, name="file")
        self.id = database.Verdict.objects.create(run=run, engine="yara", fetch_key=uuid4()).id
        self.verdicts, self.path = database.Verdict.objects, sample.path
        self.path.parent.mkdir()
        self.path.write_bytes(b"bytes")

    @property
    def verdict(self) -> Any:
        """The verdict as it is now."""
        return self.verdicts.get(id=self.id)

    def fetch(self, delivery: str) -> int:
        """Claim the sample for a delivery and return the status."""
        status, file = self.module.claim(self.module.signature(self.verdict), delivery)
        assert (file is not None) == (status == 200)
        if file:
            file.close()
        return status
