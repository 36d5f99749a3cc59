"""Files that become samples, or do not; web/test_uploads.py has how they are received."""
# ruff: noqa: D103  (the names of the tests say it)

import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest


@pytest.mark.parametrize(("size", "status"), [(0, 400), (1048577, 413), (None, 400)])
def test_files_that_cannot_be_taken(scaggr: Any, size: int | None, status: int) -> None:
    files = [] if size is None else [SimpleNamespace(size=size)]
    with pytest.raises(scaggr.scanning.submit.SubmitError) as caught:
        scaggr.scanning.submit.submit(files, 1)
    assert caught.value.status == status


def test_what_a_killed_server_was_receiving_goes(scaggr: Any, place: Path) -> None:
    now = scaggr.scanning.submit.clock.now().timestamp()
    for name, written in (("old", now - 1000), ("new", now - 800), ("ahead", now + 7200)):
        (place / "incoming" / name).touch()
        os.utime(place / "incoming" / name, (written, written))
    scaggr.scanning.submit.prune_incoming()
    assert [path.name for path in place.rglob("*") if path.is_file()] == ["new"]
