"""Files that are uploaded."""
# ruff: noqa: D103  (the names of the tests say it)

import importlib
from pathlib import Path
from types import SimpleNamespace

import pytest


@pytest.mark.parametrize(("size", "status"), [(0, 400), (1048577, 413), (None, 400)])
def test_files_that_cannot_be_taken(scaggr: SimpleNamespace, size: int | None, status: int) -> None:
    file = None if size is None else SimpleNamespace(size=size)
    with pytest.raises(scaggr.scans.SubmitError) as caught:
        scaggr.scans.submit(file, None)
    assert caught.value.status == status


@pytest.mark.parametrize("name", ["a." + "x" * 900, "." + "x" * 900, "x" * 900, "plain.txt"])
def test_a_file_is_received_under_any_name_and_not_beyond_the_limit(
    scaggr: SimpleNamespace, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str
) -> None:
    settings = importlib.import_module("django.conf").settings
    monkeypatch.setattr(settings, "FILE_UPLOAD_TEMP_DIR", str(tmp_path), raising=False)
    monkeypatch.setattr(settings, "MAX_SAMPLE_SIZE", 10, raising=False)
    handler = scaggr.uploads.SampleUploadHandler(None)
    handler.new_file("file", name, "", None)
    for start in range(0, 100, 5):
        handler.receive_data_chunk(b"12345", start)
    with handler.file_complete(100) as file:
        assert file.size == 100
        assert Path(file.temporary_file_path()).stat().st_size == 0 or file.seek(0, 2) == 15
        assert file.name[0] == name[0]
        assert len(file.name) <= 255
