"""Modules that master and workers share, with the configuration of none."""

import importlib
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture
def text(project: Path) -> Any:
    """shared.text."""
    return importlib.import_module("shared.text")


@pytest.fixture
def conf(project: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """shared.conf, reading from an empty directory."""
    monkeypatch.setenv("PHAGESCAN_CONF_DIR", str(tmp_path))
    return importlib.import_module("shared.conf")
