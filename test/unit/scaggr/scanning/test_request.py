"""What is asked of node master.master."""
# ruff: noqa: D103  (the names of the tests say it)

import importlib
from typing import Any
from uuid import uuid4

import pytest
from amqp.exceptions import AccessRefused
from kombu.exceptions import OperationalError

from sending import Broker


@pytest.mark.parametrize("trouble", [ConnectionRefusedError(), OperationalError(), AccessRefused(), TimeoutError()])
def test_an_upload_does_without_the_broker(scaggr: Any, monkeypatch: pytest.MonkeyPatch, trouble: Exception) -> None:
    broker = Broker(importlib.import_module("shared.confirms"), monkeypatch)
    request_dispatch = importlib.import_module("scaggr.scanning.request").request_dispatch
    broker.away = trouble
    assert request_dispatch([uuid4()]) is False
    broker.away = None
    assert request_dispatch([uuid4()]) is True
    assert broker.tasks == ["scaggr.dispatch"]
