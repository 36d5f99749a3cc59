"""What leaves room for what."""

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest


@pytest.mark.parametrize(
    ("uploads", "device", "noted"),
    [
        (
            {"client_max_body_size": "101m", "simultaneous": 64},
            1,
            "64 at once may take 6.3 GiB of the file system of /var/lib/nginx ",
        ),
        (
            {"client_max_body_size": "1g", "simultaneous": 2, "directory": "/up"},
            1,
            "2 at once may take 2.0 GiB of the file system of /up ",
        ),
        ({"client_max_body_size": "101m", "simultaneous": 64}, 2, ""),
        ({}, 1, ""),
    ],
)
def test_uploads(
    load: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, uploads: dict[str, Any], device: int, noted: str
) -> None:
    """What uploads may take of the database's file system is to be known."""
    limits = load("_utils/doctor").limits
    devices = {limits.DATABASE: 1}
    monkeypatch.setattr(limits.os, "stat", lambda path: SimpleNamespace(st_dev=devices.get(str(Path(path)), device)))
    notes = limits.notes({"uploads": uploads})
    assert (notes == []) is not bool(noted)
    assert noted in " ".join(notes)
