"""Files that are uploaded: all of a request or none, and nothing stays of one that fails."""
# ruff: noqa: D103  (the names of the tests say it)

import errno
import importlib
import io
import os
import resource
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

BOUNDARY = "a-boundary"


@pytest.fixture
def place(scaggr: SimpleNamespace, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Where samples lie, and what is received; a file may have 10 bytes."""
    settings = importlib.import_module("django.conf").settings
    (tmp_path / "samples/incoming").mkdir(parents=True)
    for name, value in {
        "SAMPLE_ROOT": str(tmp_path / "samples"),
        "FILE_UPLOAD_TEMP_DIR": str(tmp_path / "samples/incoming"),
        "UPLOAD_SPOOL": str(tmp_path),
        "MAX_SAMPLE_SIZE": 10,
        "KEEP_FREE": 0,
    }.items():
        monkeypatch.setattr(settings, name, value, raising=False)
    monkeypatch.setattr(scaggr.scans.transaction, "atomic", nullcontext)
    monkeypatch.setattr(scaggr.models.Sample.objects, "bulk_create", lambda *_, **__: None)
    monkeypatch.setattr(scaggr.scans, "start_run", lambda sample, name, _: SimpleNamespace(sample=sample, name=name))
    return tmp_path / "samples"


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


@pytest.mark.parametrize(("size", "status"), [(0, 400), (1048577, 413), (None, 400)])
def test_files_that_cannot_be_taken(scaggr: SimpleNamespace, size: int | None, status: int) -> None:
    files = [] if size is None else [SimpleNamespace(size=size)]
    with pytest.raises(scaggr.scans.SubmitError) as caught:
        scaggr.scans.submit(files, None)
    assert caught.value.status == status


@pytest.mark.parametrize("name", ["a." + "x" * 900, "." + "x" * 900, "x" * 900, "plain.txt"])
def test_a_file_is_received_under_any_name_and_not_beyond_the_limit(
    scaggr: SimpleNamespace, place: Path, name: str
) -> None:
    handler = scaggr.uploads.SampleUploadHandler(None)
    handler.new_file("file", name, "", None)
    for start in range(0, 100, 5):
        handler.receive_data_chunk(b"12345", start)
    with handler.file_complete(100) as file:
        assert file.size == 100
        assert Path(file.temporary_file_path()).stat().st_size == 0 or file.seek(0, 2) == 15
        assert file.name[0] == name[0]
        assert len(file.name) <= 255


def test_all_files_of_a_request_are_taken(scaggr: SimpleNamespace, place: Path) -> None:
    request = posted(b"one", b"two", b"one")
    runs = scaggr.scans.submit(scaggr.uploads.received(request), None)
    assert [run.name for run in runs] == ["f0", "f1", "f2"]
    request.close()
    assert found(place) == sorted({run.sample.sha256 for run in runs})
    assert len(found(place)) == 2


@pytest.mark.parametrize(("second", "status"), [(b"", 400), (b"x" * 11, 413)])
def test_none_is_taken_where_one_cannot_be(scaggr: SimpleNamespace, place: Path, second: bytes, status: int) -> None:
    request = posted(b"one", second)
    with pytest.raises(scaggr.scans.SubmitError) as caught:
        scaggr.scans.submit(scaggr.uploads.received(request), None)
    assert caught.value.status == status
    request.close()
    assert found(place) == []


@pytest.mark.parametrize(("number", "status"), [(errno.ENOSPC, 507), (errno.EDQUOT, 507), (errno.EACCES, 500)])
@pytest.mark.parametrize("step", ["write", "place"])
def test_nothing_stays_of_a_file_that_cannot_be_written(
    scaggr: SimpleNamespace, monkeypatch: pytest.MonkeyPatch, place: Path, step: str, number: int, status: int
) -> None:
    calls = []

    def second(*_: Any) -> None:
        calls.append(step)
        if len(calls) == 2:
            raise OSError(number, os.strerror(number))

    request = posted(b"one", b"two", b"three")
    if step == "write":
        monkeypatch.setattr(scaggr.uploads.room, "need", second)
    else:
        monkeypatch.setattr(scaggr.scans, "sync_folder", second)
        for first in ("7", "3"):  # folders of which one is there
            (place / first).mkdir()
    with pytest.raises(scaggr.scans.SubmitError) as caught:
        scaggr.scans.submit(scaggr.uploads.received(request), None)
    assert caught.value.status == status
    request.close()
    scaggr.uploads.clean_up(request)
    assert found(place) == []


@pytest.mark.parametrize(("content", "room"), [(b"one", 2), (b"x" * 200_000, 70_000)])
def test_a_write_that_fails_late(
    scaggr: SimpleNamespace, monkeypatch: pytest.MonkeyPatch, place: Path, content: bytes, room: int
) -> None:
    monkeypatch.setattr(importlib.import_module("django.conf").settings, "MAX_SAMPLE_SIZE", 1 << 20)
    request, (soft, hard) = posted(b"1", content), resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (room, hard))  # what Python keeps in memory is written in the end
    try:
        with pytest.raises(scaggr.scans.SubmitError) as caught:
            scaggr.scans.submit(scaggr.uploads.received(request), None)
        scaggr.uploads.clean_up(request)
        request.close()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert caught.value.status == 500
    assert found(place) == []


def test_nothing_stays_of_a_request_that_breaks_off(scaggr: SimpleNamespace, place: Path) -> None:
    request = posted(b"one", b"two", cut=30)
    files = request.FILES
    assert found(place)
    scaggr.uploads.clean_up(request)
    request.close()
    assert len(files) <= 1
    assert found(place) == []


def test_database_and_broker_keep_their_room(
    scaggr: SimpleNamespace, monkeypatch: pytest.MonkeyPatch, place: Path
) -> None:
    room, settings = scaggr.uploads.room, importlib.import_module("django.conf").settings
    monkeypatch.setattr(room, "OTHERS", ("/nonexistent",))
    left = SimpleNamespace(f_bavail=100, f_frsize=1)
    monkeypatch.setattr(room, "os", SimpleNamespace(stat=os.stat, statvfs=lambda _: left))
    room.need(100, str(place))
    with pytest.raises(room.NoRoomError):
        room.need(101, str(place))
    with pytest.raises(room.NoRoomError):  # the proxy has a copy of its own, on the same file system
        room.need(51, str(place), str(place.parent))
    monkeypatch.setattr(settings, "KEEP_FREE", 60)
    room.need(100, str(place))
    monkeypatch.setattr(room, "OTHERS", (str(place.parent), "/nonexistent"))
    room.need(40, str(place))
    with pytest.raises(room.NoRoomError) as caught:
        room.need(41, str(place))
    assert caught.value.status == 507


def test_what_a_killed_server_was_receiving_goes(scaggr: SimpleNamespace, place: Path) -> None:
    now = scaggr.scans.clock.now().timestamp()
    for name, written in (("old", now - 1000), ("new", now - 800), ("ahead", now + 7200)):
        (place / "incoming" / name).touch()
        os.utime(place / "incoming" / name, (written, written))
    scaggr.scans.prune_incoming()
    assert found(place) == ["new"]
