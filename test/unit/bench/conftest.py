"""Modules of bench, which scripts there start in their own directory."""

import importlib
from types import SimpleNamespace

import pytest

from tree import ROOT


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """What bench/scan runs on a host."""
    monkeypatch.syspath_prepend(str(ROOT / "bench"))
    return SimpleNamespace(**{name: importlib.import_module(name) for name in ("services", "scanning")})
