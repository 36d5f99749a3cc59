"""The engines, each by itself."""

import importlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture
def engines(project: Path) -> Any:
    """The package."""
    return importlib.import_module("engines")


@pytest.fixture
def scan(engines: Any, tmp_path: Path) -> Callable[..., Any]:
    """Has an engine look at bytes."""

    def look(engine: str, data: bytes, **options: Any) -> Any:
        path = tmp_path / "sample"
        path.write_bytes(data)
        made = engines.engine_class(engine)(options)
        with made.connected():
            return made.scan(path)

    return look
