"""Files that are uploaded: all of a request or none, and nothing stays of one that fails."""
# ruff: noqa: D103  (the names of the tests say it)

import errno
import importlib
import io
import os
import resource
from pathlib import Path
from typing import Any

import pytest

BOUNDARY = "a-boundary"


def posted(*files: bytes, cut: int = 0) -> Any:
    """A request with files, of which so many bytes are missing at the end."""
    wsgi = importlib.import_module("django.core.handlers.wsgi")
    parts = [
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="f{number}"\r\n\r\n'.encode() + content
        for number, content in enumerate(files)
    ]
    body = b"\r\n".join([*parts, f"--{BOUNDARY}--\r\n".encode()])
    return wsgi.WSGIRequest(
        {
            "REQUEST_METHOD": "POST",
            "CONTENT_TYPE": f"multipart/form-data; boundary={BOUNDARY}",
            "CONTENT_LENGTH": str(len(body)),
            "wsgi.input": io.BytesIO(body[: len(body) - cut]),
        }
    )


def found(place: Path) -> list[str]:
    """Names of all files there."""
    return sorted(path.name for path in place.rglob("*") if path.is_file())


@pytest.mark.parametrize("name", ["a." + "x" * 900, "." + "x" * 900, "x" * 900, "plain.txt"])
def test_a_file_is_received_under_any_name_and_not_beyond_the_limit(scaggr: Any, place: Path, name: str) -> None:
    handler = scaggr.web.uploads.SampleUploadHandler(None)
    handler.new_file("file", name, "", None)
    for start in range(0, 100, 5):
        handler.receive_data_chunk(b"12345", start)
    with handler.file_complete(100) as file:
        assert file.size == 100
        assert Path(file.temporary_file_path()).stat().st_size == 0 or file.seek(0, 2) == 15
        assert file.name[0] == name[0]
        assert len(file.name) <= 255


def test_all_files_of_a_request_are_taken(scaggr: Any, place: Path) -> None:
    request = posted(b"one", b"two", b"one")
    runs = scaggr.scanning.submit.submit(scaggr.web.uploads.received(request), 1)
    assert [run.name for run in runs] == ["f0", "f1", "f2"]
    request.close()
    assert found(place) == sorted({run.sample.sha256 for run in runs})
    assert len(found(place)) == 2


@pytest.mark.parametrize(("second", "status"), [(b"", 400), (b"x" * 11, 413)])
def test_none_is_taken_where_one_cannot_be(scaggr: Any, place: Path, second: bytes, status: int) -> None:
    request = posted(b"one", second)
    with pytest.raises(scaggr.scanning.submit.SubmitError) as caught:
        scaggr.scanning.submit.submit(scaggr.web.uploads.received(request), 1)
    assert caught.value.status == status
    request.close()
    assert found(place) == []


@pytest.mark.parametrize(("number", "status"), [(errno.ENOSPC, 507), (errno.EDQUOT, 507), (errno.EACCES, 500)])
@pytest.mark.parametrize("step", ["write", "place"])
def test_nothing_stays_of_a_file_that_cannot_be_written(
    scaggr: Any, monkeypatch: pytest.MonkeyPatch, place: Path, step: str, number: int, status: int
) -> None:
    calls = []

    def second(*_: Any) -> None:
        calls.append(step)
        if len(calls) == 2:
            raise OSError(number, os.strerror(number))

    request = posted(b"one", b"two", b"three")
    if step == "write":
        monkeypatch.setattr(scaggr.web.uploads.room, "need", second)
    else:
        monkeypatch.setattr(scaggr.scanning.submit, "sync_folder", second)
        for first in ("7", "3"):  # folders of which one is there
            (place / first).mkdir()
    with pytest.raises(scaggr.scanning.submit.SubmitError) as caught:
        scaggr.scanning.submit.submit(scaggr.web.uploads.received(request), 1)
    assert caught.value.status == status
    request.close()
    scaggr.web.uploads.clean_up(request)
    assert found(place) == []


@pytest.mark.parametrize(("content", "room"), [(b"one", 2), (b"x" * 200_000, 70_000)])
def test_a_write_that_fails_late(
    scaggr: Any, monkeypatch: pytest.MonkeyPatch, place: Path, content: bytes, room: int
) -> None:
    monkeypatch.setattr(importlib.import_module("django.conf").settings, "MAX_SAMPLE_SIZE", 1 << 20)
    request, (soft, hard) = posted(b"1", content), resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (room, hard))  # what Python keeps in memory is written in the end
    try:
        with pytest.raises(scaggr.scanning.submit.SubmitError) as caught:
            scaggr.scanning.submit.submit(scaggr.web.uploads.received(request), 1)
        scaggr.web.uploads.clean_up(request)
        request.close()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert caught.value.status == 500
    assert found(place) == []


def test_nothing_stays_of_a_request_that_breaks_off(scaggr: Any, place: Path) -> None:
    request = posted(b"one", b"two", cut=30)
    files = request.FILES
    assert found(place)
    scaggr.web.uploads.clean_up(request)
    request.close()
    assert len(files) <= 1
    assert found(place) == []
