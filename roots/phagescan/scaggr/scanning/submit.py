"""What comes in: the files of an upload become samples, each with a run."""

import hashlib
import os
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

from django.conf import settings
from django.core.files.uploadedfile import TemporaryUploadedFile
from django.db import transaction

from scaggr.models import Sample, ScanRun
from scaggr.scanning.request import request_dispatch
from scaggr.web.errors import SubmitError, TooBigError, not_kept
from shared import clock
from shared.text import clean_name

INCOMING_KEEP = timedelta(minutes=15)
"""How long ago a file was written that was being received when the server was killed."""


def submit(files: list[TemporaryUploadedFile], user_id: int) -> list[ScanRun]:
    """Keep the files of an upload and have them scanned: all of them, or none."""
    if not files:
        raise SubmitError("There is no file in the upload, or not all of it.", 400)
    for file in files:
        if file.size > settings.MAX_SAMPLE_SIZE:
            raise TooBigError
        if not file.size:
            raise SubmitError("The file is empty." if len(files) == 1 else f"{file.name} is empty: none is taken.", 400)
    samples = [identify(file) for file in files]
    new: list[Path] = []
    with transaction.atomic(savepoint=False):
        # In one order, so that two uploads cannot wait for each other.
        Sample.objects.bulk_create(sorted(samples, key=str), ignore_conflicts=True)
        named = [(sample, clean_name(file.name)) for file, sample in zip(files, samples, strict=True)]
        runs = start_runs(named, user_id)
        try:
            for file, sample in zip(files, samples, strict=True):
                if not sample.path.exists():
                    new.append(sample.path)
                store(file, sample)
        except BaseException as error:
            # As long as the transaction is open no other upload of the same bytes counts on them.
            for path in new:
                path.unlink(missing_ok=True)
            if isinstance(error, OSError):
                raise not_kept(error) from error
            raise
    return runs


def rescan(sample: Sample, user_id: int) -> ScanRun:
    """Have a sample scanned once more, under the name that it had last."""
    latest = sample.runs.first()
    with transaction.atomic():
        return start_runs([(sample, latest.name if latest else sample.sha256)], user_id)[0]


def identify(file: TemporaryUploadedFile) -> Sample:
    """Return the sample that a received file is, not yet saved."""
    hashes = [hashlib.new(name, usedforsecurity=False) for name in ("sha256", "sha1", "md5")]
    for chunk in file.chunks():
        for algorithm in hashes:
            algorithm.update(chunk)
    sha256, sha1, md5 = (algorithm.hexdigest() for algorithm in hashes)
    return Sample(sha256=sha256, sha1=sha1, md5=md5, size=file.size)


def store(file: TemporaryUploadedFile, sample: Sample) -> None:
    """Bring a received file to its place, where the same bytes may lie already."""
    os.fchmod(file.fileno(), 0o600)
    os.fsync(file.fileno())
    folder = sample.path.parent
    if not folder.is_dir():
        folder.mkdir(mode=0o700, exist_ok=True)
        sync_folder(folder.parent)
    os.replace(file.temporary_file_path(), sample.path)
    sync_folder(folder)


def start_runs(named: Iterable[tuple[Sample, str]], user_id: int) -> list[ScanRun]:
    """Make a run for each sample, and ask for them to be dispatched as soon as they are saved."""
    runs = ScanRun.objects.bulk_create(
        ScanRun(sample=sample, name=name, submitted_by_id=user_id) for sample, name in named
    )
    transaction.on_commit(partial(request_dispatch, [run.id for run in runs]))
    return runs


def prune_incoming() -> None:
    """Remove what was being received when the server was killed."""
    for path in Path(settings.FILE_UPLOAD_TEMP_DIR).iterdir():
        try:
            written = datetime.fromtimestamp(path.stat().st_mtime, UTC)
            if path.is_file() and not clock.is_recent(written, INCOMING_KEEP):
                path.unlink()
        except FileNotFoundError:
            continue


def sync_folder(path: Path) -> None:
    """Make a folder's entries safe against a power cut."""
    folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
