"""Samples on their way to a worker."""
# ruff: noqa: D103  (the names of the tests say it)

import importlib

import pytest

from fetching import Claimed


@pytest.mark.parametrize(
    "authorization", [None, "", "Signature", "Signature x:y:z", "Signature {}x", "Signature :{}", "Bearer {}", "{}"]
)
def test_nobody_fetches_without_a_signature(
    claimed: Claimed, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, authorization: str | None
) -> None:
    signed = claimed.module.signature(claimed.verdict)
    headers = {} if authorization is None else {"Authorization": authorization.format(signed)}
    request = importlib.import_module("django.test").RequestFactory().get("/fetch/", headers=headers)
    assert importlib.import_module("scaggr.web.fetch").fetch(request).status_code == 403
    assert signed not in caplog.text


def test_a_sample_is_handed_out_as_an_attachment(claimed: Claimed, monkeypatch: pytest.MonkeyPatch) -> None:
    headers = {"Authorization": f"Signature {claimed.module.signature(claimed.verdict)}", "X-Delivery": "a" * 32}
    request = importlib.import_module("django.test").RequestFactory().get("/fetch/", headers=headers)
    answer = importlib.import_module("scaggr.web.fetch").fetch(request)
    assert (answer.status_code, answer["Content-Length"], answer.getvalue()) == (200, "5", b"bytes")
    assert answer["Content-Disposition"].startswith("attachment")
    assert claimed.verdict.delivery == "a" * 32
