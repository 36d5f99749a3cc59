"""Who may fetch a sample, and how often."""
# ruff: noqa: D103  (the names of the tests say it)

import importlib
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from fetching import Claimed


def test_deliveries_are_counted_and_not_fetches(claimed: Claimed) -> None:
    first, second, third, fourth = (digit * 32 for digit in "abcd")
    assert [claimed.fetch(each) for each in (first, first, second, third, third)] == [200] * 5
    assert (claimed.verdict.attempts, claimed.verdict.outcome) == (3, "pending")
    assert claimed.fetch(fourth) == 410
    assert (claimed.verdict.attempts, claimed.verdict.outcome, claimed.verdict.error) == (3, "error", "poison")
    assert claimed.fetch(fourth) == 204


@pytest.mark.parametrize("delivery", ["", "A" * 32, "a" * 33, "a" * 32 + "\n", "\xe9" * 32])
def test_a_delivery_without_a_number_is_a_new_one(claimed: Claimed, delivery: str) -> None:
    assert [claimed.fetch(delivery) for _ in range(4)] == [200, 200, 200, 410]
    assert claimed.verdict.delivery == ""


def test_what_keeps_the_master_from_a_sample_is_not_counted(claimed: Claimed) -> None:
    claimed.path.unlink()
    claimed.path.mkdir()
    with pytest.raises(IsADirectoryError):
        claimed.fetch("a" * 32)
    assert (claimed.verdict.attempts, claimed.verdict.outcome) == (0, "pending")
    claimed.path.rmdir()
    assert claimed.fetch("a" * 32) == 410
    assert (claimed.verdict.attempts, claimed.verdict.error) == (0, "the sample's file is gone")


def test_a_sample_that_cannot_be_read_is_marked_for_the_highstate(
    scaggr: Any, database: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, load: Callable[..., Any]
) -> None:
    settings = importlib.import_module("django.conf").settings
    monkeypatch.setattr(settings, "SAMPLE_ROOT", str(tmp_path))
    run = database.ScanRun.objects.create(sample=database.Sample.objects.create(sha256="a" * 64, size=1), name="file")
    verdict = database.Verdict.objects.create(run=run, engine="yara", fetch_key=uuid4())
    signed, number = scaggr.scanning.claim.signature(verdict), "a" * 32
    run.sample.path.parent.mkdir()
    run.sample.path.write_text("x")
    status, file = scaggr.scanning.claim.claim(signed, number)
    file.close()
    mark = tmp_path / load("_states/owned_tree").MARK
    assert (status, mark.exists()) == (200, False)

    def denied(*_: Any) -> None:
        raise PermissionError

    for root in (tmp_path, tmp_path / "of others, or gone"):
        with monkeypatch.context() as patch:
            patch.setattr(type(tmp_path), "open", denied)
            patch.setattr(settings, "SAMPLE_ROOT", str(root))
            with pytest.raises(PermissionError):
                scaggr.scanning.claim.claim(signed, "b" * 32)
    assert stat.S_IMODE(mark.stat().st_mode) == 0o600
    verdict.refresh_from_db()
    assert (verdict.attempts, verdict.delivery, verdict.outcome) == (1, number, "pending")
    run.sample.path.unlink()
    assert scaggr.scanning.claim.claim(signed, "b" * 32) == (410, None)
    verdict.refresh_from_db()
    assert (verdict.outcome, verdict.error) == ("error", "the sample's file is gone")


def test_what_is_no_signature_does_not_reach_the_database(claimed: Claimed, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(claimed.module.transaction, "atomic", None)
    assert claimed.module.claim("none", "a" * 32) == (403, None)


def test_a_new_secret_key_leaves_no_worker_outside(claimed: Claimed, monkeypatch: pytest.MonkeyPatch) -> None:
    signed = claimed.module.signature(claimed.verdict)
    monkeypatch.setattr(importlib.import_module("django.conf").settings, "SECRET_KEY", "another" * 10)
    assert claimed.module.claim(signed, "a" * 32)[0] == 200
    other = type(claimed.verdict)(id=claimed.verdict.id, engine="yara", fetch_key=uuid4())
    assert claimed.module.claim(claimed.module.signature(other), "a" * 32)[0] == 403
