"""A process that opens files."""

import importlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture
def look(project: Path, tmp_path: Path) -> Iterator[Callable[..., Any]]:
    """Looks into bytes, and returns what is inside."""
    module = importlib.import_module("worker.unpack.inside")
    opening = importlib.import_module("worker.unpack.opening").Opening({"memory": 1024, "timeout": 60})

    def look_into(data: bytes, **limits: float) -> Any:
        number = len(list(tmp_path.iterdir()))
        sample, folder = tmp_path / f"sample{number}", tmp_path / f"members{number}"
        sample.write_bytes(data)
        folder.mkdir()
        made = module.Limits(**{"depth": 8, "members": 100, "size": 64 << 20, "seconds": 60, "ratio": 1000} | limits)
        return module.look_into(opening, sample, folder, made, ["wrong", "infected"])

    yield look_into
    opening.stop()
