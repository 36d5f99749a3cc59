"""Announcements and sums of verdicts; and who may fetch a sample, how often."""
# ruff: noqa: D103  (the names of the tests say it)

import importlib
import stat
from collections.abc import Callable
from contextlib import nullcontext
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import pytest


@pytest.mark.parametrize(
    "engine",
    [None, 3, {}, {"name": "yara"}, {"name": "yara", "kind": "other"}, {"name": "a.b", "kind": "evilness"}]
    + [{"name": name, "kind": "metadata"} for name in ("", "a b", "é", "x" * 65, 7, None)],
)
def test_an_engine_is_announced_with_name_and_kind(scaggr: SimpleNamespace, engine: Any) -> None:
    assert not scaggr.scans.is_announcement(engine)
    assert scaggr.scans.is_announcement({"name": "yara", "kind": "evilness"})


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
def test_a_run_is_summed_up(scaggr: SimpleNamespace, outcomes: list[str], infected: bool | None) -> None:
    verdicts = [scaggr.models.Verdict(outcome=outcome, name="Threat") for outcome in outcomes]
    run = SimpleNamespace(verdicts=SimpleNamespace(all=lambda: verdicts), status=scaggr.models.ScanRun().status)
    summed = scaggr.scans.summary(run)
    assert summed == {"status": "waiting", "infected": infected, "threats": ["Threat"] if infected else []}


class Claimed:
    """A verdict and its run, without a database."""

    def __init__(self, scaggr: SimpleNamespace, monkeypatch: pytest.MonkeyPatch, path: Path) -> None:
        self.scans = scaggr.scans
        self.verdict = scaggr.models.Verdict(engine="yara", fetch_key=uuid4())
        found = SimpleNamespace(update=self.update)
        verdicts = SimpleNamespace(get=lambda **_: self.verdict, filter=lambda **_: found)
        run = SimpleNamespace(sample=SimpleNamespace(path=path), sample_id="5c1c", verdicts=verdicts)
        monkeypatch.setattr(self.scans, "lock_run", lambda **_: run)
        monkeypatch.setattr(self.scans, "give_up", self.give_up)
        monkeypatch.setattr(self.scans.transaction, "atomic", nullcontext)

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
        status, file = self.scans.claim(self.scans.signature(self.verdict), delivery)
        assert (file is not None) == (status == 200)
        if file:
            file.close()
        return status


@pytest.fixture
def claimed(scaggr: SimpleNamespace, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Claimed:
    """A verdict whose sample is there."""
    (tmp_path / "sample").write_bytes(b"bytes")
    return Claimed(scaggr, monkeypatch, tmp_path / "sample")


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


def test_what_keeps_the_master_from_a_sample_is_not_counted(claimed: Claimed, tmp_path: Path) -> None:
    (tmp_path / "sample").unlink()
    (tmp_path / "sample").mkdir()
    with pytest.raises(IsADirectoryError):
        claimed.fetch("a" * 32)
    assert (claimed.verdict.attempts, claimed.verdict.outcome) == (0, "pending")
    (tmp_path / "sample").rmdir()
    assert claimed.fetch("a" * 32) == 410
    assert (claimed.verdict.attempts, claimed.verdict.error) == (0, "the sample's file is gone")


def test_a_sample_that_cannot_be_read_is_marked_for_the_highstate(
    scaggr: SimpleNamespace, database: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, load: Callable[..., Any]
) -> None:
    settings = importlib.import_module("django.conf").settings
    monkeypatch.setattr(settings, "SAMPLE_ROOT", str(tmp_path))
    run = database.ScanRun.objects.create(sample=database.Sample.objects.create(sha256="a" * 64, size=1), name="file")
    verdict = database.Verdict.objects.create(run=run, engine="yara", fetch_key=uuid4())
    signed, number = scaggr.scans.signature(verdict), "a" * 32
    run.sample.path.parent.mkdir()
    run.sample.path.write_text("x")
    status, file = scaggr.scans.claim(signed, number)
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
                scaggr.scans.claim(signed, "b" * 32)
    assert stat.S_IMODE(mark.stat().st_mode) == 0o600
    verdict.refresh_from_db()
    assert (verdict.attempts, verdict.delivery, verdict.outcome) == (1, number, "pending")
    run.sample.path.unlink()
    assert scaggr.scans.claim(signed, "b" * 32) == (410, None)
    verdict.refresh_from_db()
    assert (verdict.outcome, verdict.error) == ("error", "the sample's file is gone")


@pytest.mark.parametrize(
    "authorization", [None, "", "Signature", "Signature x:y:z", "Signature {}x", "Signature :{}", "Bearer {}", "{}"]
)
def test_nobody_fetches_without_a_signature(
    claimed: Claimed, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, authorization: str | None
) -> None:
    signed = claimed.scans.signature(claimed.verdict)
    headers = {} if authorization is None else {"Authorization": authorization.format(signed)}
    request = importlib.import_module("django.test").RequestFactory().get("/fetch/", headers=headers)
    assert importlib.import_module("scaggr.fetch").fetch(request).status_code == 403
    assert signed not in caplog.text


def test_what_is_no_signature_does_not_reach_the_database(claimed: Claimed, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(claimed.scans.transaction, "atomic", None)
    assert claimed.scans.claim("none", "a" * 32) == (403, None)


def test_a_new_secret_key_leaves_no_worker_outside(claimed: Claimed, monkeypatch: pytest.MonkeyPatch) -> None:
    signed = claimed.scans.signature(claimed.verdict)
    monkeypatch.setattr(importlib.import_module("django.conf").settings, "SECRET_KEY", "another" * 10)
    assert claimed.scans.claim(signed, "a" * 32)[0] == 200
    other = type(claimed.verdict)(id=claimed.verdict.id, engine="yara", fetch_key=uuid4())
    assert claimed.scans.claim(claimed.scans.signature(other), "a" * 32)[0] == 403


def test_a_sample_is_handed_out_as_an_attachment(claimed: Claimed, monkeypatch: pytest.MonkeyPatch) -> None:
    headers = {"Authorization": f"Signature {claimed.scans.signature(claimed.verdict)}", "X-Delivery": "a" * 32}
    request = importlib.import_module("django.test").RequestFactory().get("/fetch/", headers=headers)
    answer = importlib.import_module("scaggr.fetch").fetch(request)
    assert (answer.status_code, answer["Content-Length"], answer.getvalue()) == (200, "5", b"bytes")
    assert answer["Content-Disposition"].startswith("attachment")
    assert claimed.verdict.delivery == "a" * 32


def test_no_message_to_a_worker_says_when_it_is_too_late(
    scaggr: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    scans, sent = scaggr.scans, []
    for created, left in ((timedelta(seconds=-60), 540), (timedelta(hours=2), 600), (timedelta(seconds=-601), None)):
        run = scaggr.models.ScanRun(created_at=scans.timezone.now() + created)
        verdicts = [scaggr.models.Verdict(run=run, engine="yara", fetch_key=uuid4())]
        monkeypatch.setattr(scans, "lock_run", lambda run=run, verdicts=verdicts, **_: Opened(run, verdicts))
        monkeypatch.setattr(scans.transaction, "atomic", nullcontext)
        monkeypatch.setattr(scans, "publish", lambda task, **options: sent.append(options))
        sent.clear()
        scans.dispatch("run")
        assert [round(options["expiration"]) for options in sent] == ([left] if left else [])
        assert not any("expires" in options or "eta" in options for options in sent)


def test_no_message_lives_longer_than_the_broker_can_count(
    scaggr: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    scans, sent = scaggr.scans, []
    monkeypatch.setattr(importlib.import_module("django.conf").settings, "SCAN_EXPIRES", 2**31)
    run = scaggr.models.ScanRun(created_at=scans.timezone.now())
    verdicts = [scaggr.models.Verdict(run=run, engine="yara", fetch_key=uuid4())]
    monkeypatch.setattr(scans, "lock_run", lambda **_: Opened(run, verdicts))
    monkeypatch.setattr(scans.transaction, "atomic", nullcontext)
    monkeypatch.setattr(scans, "publish", lambda task, **options: sent.append(options["expiration"]))
    scans.dispatch("run")
    assert 0 < sent[0] * 1000 < 2**32


class Opened:
    """A run that is to be dispatched, without a database."""

    dispatched_at = finished_at = None

    def __init__(self, run: Any, verdicts: list[Any]) -> None:
        self.created_at = run.created_at
        self.verdicts = SimpleNamespace(exists=lambda: True, all=lambda: verdicts)

    def save(self, **_: Any) -> None:
        """Keep nothing."""


def test_what_waits_is_dated_to_now_after_the_clock_was_ahead(
    scaggr: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = []

    class Rows:
        """Rows of a model, which note what is done to them."""

        def __init__(self, model: Any) -> None:
            self.model, self.objects, self.__name__ = self, self, model.__name__

        def all(self) -> "Rows":
            return self

        def filter(self, **which: Any) -> "Rows":
            done.append((self.__name__, which))
            return self

        def update(self, **values: Any) -> int:
            done.append((self.__name__, values))
            return 1

    for name in ("Engine", "ScanRun", "AccessAttempt"):
        monkeypatch.setattr(scaggr.scans, name, Rows(getattr(scaggr.scans, name)))
    scaggr.scans.forget_future()
    assert [(name, *which) for name, which in done] == [
        ("ScanRun", "finished_at"),
        *(("Engine", "announced_at__gt"), ("Engine", "announced_at")),
        *(("ScanRun", "created_at__gt"), ("ScanRun", "created_at")),
        *(("AccessAttempt", "attempt_time__gt"), ("AccessAttempt", "attempt_time")),
    ]
