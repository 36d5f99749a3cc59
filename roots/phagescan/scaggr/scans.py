"""Samples and their scans: what comes in, what is asked of the engines, and what they answer.

Messages are delivered at least once and processes are killed at any point. So whatever changes a run or its verdicts
locks the run first, looks at it again, and does nothing where it was done already.
"""

import hashlib
import logging
import os
import re
from collections.abc import Iterable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, TypeGuard
from uuid import UUID

from axes.models import AccessAttempt
from django.conf import settings
from django.contrib.auth.models import AbstractBaseUser
from django.core import signing
from django.core.files.uploadedfile import TemporaryUploadedFile
from django.db import transaction
from django.db.models import F
from django.utils import timezone

from scaggr import clock, nodes
from scaggr.broker import BROKER_ERRORS, depths, publish
from scaggr.errors import SubmitError, TooBigError, not_kept
from scaggr.models import Engine, Sample, ScanRun, Verdict
from scaggr.queues import engine_queue
from scaggr.text import as_hstore, clean_name, clip, seconds

logger = logging.getLogger(__name__)

Outcome = Verdict.Outcome

ATTEMPTS = 3
"""How often a sample is handed out for a verdict. One that ended its worker each time is set aside."""

PATIENCE = timedelta(seconds=5)
"""How old a run is when the message that should have it dispatched counts as lost."""

AT_ONCE = 200
"""How many such runs are dispatched at a time: the rest waits for the next time."""

ENGINES = 32
"""How many engines a worker may have, and how many names there may be for engines: every run waits for all of them."""

INCOMING_KEEP = timedelta(minutes=15)
"""How long ago a file was written that was being received when the server was killed."""

FETCH_SALT = "scaggr.fetch"

UNREADABLE = ".unreadable"
"""Left beside the samples when one cannot be read: the highstate looks at all of them then, and repairs them."""

LONGEST = timedelta(days=49)
"""What RabbitMQ counts of a message's life: milliseconds, in 32 bits."""

DELIVERY = re.compile("[0-9a-f]{32}")
"""How a worker numbers the deliveries of its messages."""


# What comes in.


def submit(files: list[TemporaryUploadedFile], user: AbstractBaseUser) -> list[ScanRun]:
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
    with transaction.atomic():
        # In one order, so that two uploads cannot wait for each other.
        Sample.objects.bulk_create(sorted(samples, key=str), ignore_conflicts=True)
        runs = [start_run(sample, clean_name(file.name), user) for file, sample in zip(files, samples, strict=True)]
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


def rescan(sample: Sample, user: AbstractBaseUser) -> ScanRun:
    """Have a sample scanned once more, under the name that it had last."""
    latest = sample.runs.first()
    with transaction.atomic():
        return start_run(sample, latest.name if latest else sample.sha256, user)


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


def start_run(sample: Sample, name: str, user: AbstractBaseUser) -> ScanRun:
    """Make a run, and ask for it to be dispatched as soon as it is saved."""
    run = ScanRun.objects.create(sample=sample, name=name, submitted_by=user)
    transaction.on_commit(partial(request_dispatch, run.id))
    return run


def request_dispatch(run_id: UUID, **options: Any) -> bool:
    """Ask master.master to dispatch a run. If the broker is away, scaggr.refresh_engines asks again."""
    try:
        publish("scaggr.dispatch", kwargs={"run_id": str(run_id)}, **options)
    except BROKER_ERRORS as error:
        logger.warning("run %s waits until the broker is back: %s", run_id, error)
        return False
    return True


# What is asked of the engines.


def dispatch(run_id: str) -> None:
    """Send a run to every engine that has a live worker. Without any, it waits."""
    with transaction.atomic():
        run = lock_run(id=run_id)
        if not is_open(run):
            return
        if not run.verdicts.exists():
            names = Engine.objects.filter(live=True).order_by("name").values_list("name", flat=True).distinct()
            Verdict.objects.bulk_create(Verdict(run=run, engine=name) for name in names)
    # The rows are there for any worker to see. The lock keeps a second dispatch from sending the same.
    with transaction.atomic():
        run = lock_run(id=run_id)
        if not is_open(run):
            return
        verdicts = list(run.verdicts.all())
        left = run.created_at + lifetime() - timezone.now()
        if not verdicts or left <= timedelta(0):
            return
        for verdict in verdicts:
            if verdict.outcome == Outcome.PENDING:
                publish(
                    "worker.scan",
                    kwargs={"engine": verdict.engine, "signed": signature(verdict)},
                    queue=engine_queue(verdict.engine),
                    task_id=str(verdict.id),
                    # The broker's to drop it then: of when a scan is too late no worker's clock decides.
                    expiration=min(left, lifetime(), LONGEST).total_seconds(),
                )
        run.dispatched_at = timezone.now()
        run.save(update_fields=["dispatched_at"])


def dispatch_waiting() -> None:
    """Ask again for the runs that were not dispatched: their message was lost, or no engine was there."""
    now = timezone.now()
    waiting = ScanRun.objects.filter(
        finished_at=None, dispatched_at=None, created_at__lt=now - PATIENCE, created_at__gt=now - lifetime()
    )
    run_ids = list(waiting.order_by("created_at").values_list("id", flat=True)[:AT_ONCE])
    if not run_ids or not Engine.objects.filter(live=True).exists():
        return
    try:
        # As long as messages wait there, so may theirs.
        if depths(["master"])["master"][0]:
            return
    except BROKER_ERRORS as error:
        logger.warning("%s runs or more wait until the broker is back: %s", len(run_ids), error)
        return
    for run_id in run_ids:
        if not request_dispatch(run_id):
            return


def signer(verdict: Verdict) -> signing.Signer:
    """Return what signs for a verdict: with a key of its own, so that a new secret key of Django's leaves no worker
    outside.
    """
    return signing.Signer(key=str(verdict.fetch_key), salt=FETCH_SALT)


def signature(verdict: Verdict) -> str:
    """Return what a worker fetches the sample for a verdict with, as long as the verdict is pending."""
    return signer(verdict).sign(str(verdict.id))


def claim(signed: str, delivery: str) -> tuple[int, BinaryIO | None]:
    """Answer a worker that wants a sample: with an HTTP status, and with the open file if it is to be scanned.

    403 the signature is bad, 204 the verdict is there already, 410 there is nothing to scan any more. A worker that
    asks again for the same delivery of its message is not one more that may have died of the sample.
    """
    verdict_id = as_uuid(signed.partition(":")[0])
    if verdict_id is None:
        return refuse_fetch()
    if not DELIVERY.fullmatch(delivery):
        delivery = ""
    with transaction.atomic():
        run = lock_run(verdicts__id=verdict_id)
        if run is None or not is_signed(verdict := run.verdicts.get(id=verdict_id), signed):
            return refuse_fetch()
        if verdict.outcome != Outcome.PENDING:
            return 204, None
        again = delivery != "" and delivery == verdict.delivery
        if verdict.attempts >= ATTEMPTS and not again:
            logger.error("poison: sample %s ended its worker %s times in %s", run.sample_id, ATTEMPTS, verdict.engine)
            give_up(run, [verdict], Outcome.ERROR, "poison")
            return 410, None
        try:
            # Before anything is counted: what keeps the master from it is not the sample's fault.
            file = run.sample.path.open("rb")
        except FileNotFoundError:
            give_up(run, [verdict], Outcome.ERROR, "the sample's file is gone")
            return 410, None
        except PermissionError:
            with suppress(OSError):
                Path(settings.SAMPLE_ROOT, UNREADABLE).touch(mode=0o600)
            raise
        if not again:
            run.verdicts.filter(id=verdict.id).update(attempts=F("attempts") + 1, delivery=delivery)
    return 200, file


def refuse_fetch() -> tuple[int, None]:
    """Answer one whose signature is bad."""
    logger.warning("fetch refused: the signature is of no verdict that is here")
    return 403, None


# What the engines answer.


def record(
    verdict: str,
    outcome: str,
    name: str = "",
    error: str = "",
    engine_version: str = "",
    metadata: dict[str, str] | None = None,
    duration: float | None = None,
    worker: str = "",
) -> None:
    """Write what a worker found. Its first answer counts; where the master gave up meanwhile, the answer is better."""
    verdict_id = as_uuid(verdict)
    if verdict_id is None or outcome not in Outcome.values or outcome == Outcome.PENDING:
        logger.error("an answer is of no use: verdict %.100r, outcome %.100r from %.100r", verdict, outcome, worker)
        return
    with transaction.atomic():
        run = lock_run(verdicts__id=verdict_id)
        if run is None:
            logger.warning("an answer for verdict %s, which is not there any more", verdict_id)
            return
        row = run.verdicts.get(id=verdict_id)
        if row.outcome != Outcome.PENDING and row.worker:
            return
        row.outcome = outcome
        row.name = clip(name or "", 255)
        row.error = clip(error or "", 2000)
        row.engine_version = clip(engine_version or "", 255)
        row.metadata = as_hstore(metadata)
        row.duration = seconds(duration)
        row.worker = clip(worker or "unknown", 255)
        row.answered_at = timezone.now()
        row.save()
        close_if_complete(run)


def announce(worker: str, engines: list[dict[str, Any]]) -> None:
    """Note which engines a worker has, and which of them work and are approved. What it names no longer is gone."""
    worker = clip(worker, 255)
    wanted = nodes.approved()
    now = timezone.now()
    if len(engines) > ENGINES:
        logger.error("%s announces %s engines: all but the first %s are refused", worker, len(engines), ENGINES)
    rows = {
        engine["name"]: Engine(
            name=engine["name"],
            worker=worker,
            kind=engine["kind"],
            version=clip(engine.get("version") or "", 255),
            problem=clip(engine.get("problem") or "", 2000) or ("" if engine["name"] in wanted else nodes.NOT_APPROVED),
            warning=clip(engine.get("warning") or "", 2000),
            host=clip(engine.get("host") or "", 64),
            announced_at=now,
            live=not engine.get("problem") and engine["name"] in wanted,
        )
        for engine in engines[:ENGINES]
        if is_announcement(engine)
    }
    with transaction.atomic():
        known = set(Engine.objects.order_by().values_list("name", flat=True).distinct())
        for name in sorted(rows.keys() - known)[max(0, ENGINES - len(known)) :]:
            logger.error("%s announces the engine %s, which is refused: there are %s already", worker, name, len(known))
            del rows[name]
        Engine.objects.bulk_create(
            # In one order, so that two announcements of a worker cannot wait for each other.
            [rows[name] for name in sorted(rows)],
            update_conflicts=True,
            unique_fields=["name", "worker"],
            update_fields=["kind", "version", "problem", "warning", "host", "announced_at", "live"],
        )
        Engine.objects.filter(worker=worker).exclude(name__in=rows).delete()
        nodes.forget_former(worker, {row.host for row in rows.values()} - {""})


def refresh_engines() -> None:
    """Take silent workers' engines out of use, and forget those that have been silent for a day."""
    forget_future()
    now = timezone.now()
    Engine.objects.filter(live=True, announced_at__lt=now - Engine.SILENCE).update(live=False)
    Engine.objects.filter(announced_at__lt=now - timedelta(days=1)).delete()


def forget_future() -> None:
    """Date to now what waits for its time and was dated while the clock was ahead: it would wait until then as well."""
    waits = (
        (Engine.objects.all(), "announced_at"),
        (ScanRun.objects.filter(finished_at=None), "created_at"),
        (AccessAttempt.objects.all(), "attempt_time"),
    )
    for rows, field in waits:
        if count := rows.filter(**{f"{field}__gt": clock.horizon()}).update(**{field: clock.now()}):
            logger.warning("the clock was ahead: %s of %s dated to now", count, rows.model.__name__)


def expire() -> None:
    """End the runs whose time is over."""
    late = ScanRun.objects.filter(finished_at=None, created_at__lt=timezone.now() - lifetime())
    for run_id in late.values_list("id", flat=True):
        with transaction.atomic():
            run = lock_run(id=run_id)
            if run is None or run.finished_at:
                continue
            pending = list(run.verdicts.filter(outcome=Outcome.PENDING))
            give_up(run, pending, Outcome.TIMED_OUT, "no answer")


def prune_incoming() -> None:
    """Remove what was being received when the server was killed."""
    for path in Path(settings.FILE_UPLOAD_TEMP_DIR).iterdir():
        try:
            written = datetime.fromtimestamp(path.stat().st_mtime, UTC)
            if path.is_file() and not clock.is_recent(written, INCOMING_KEEP):
                path.unlink()
        except FileNotFoundError:
            continue


def give_up(run: ScanRun, verdicts: Iterable[Verdict], outcome: str, error: str) -> None:
    """End verdicts in the master's own name, and with them perhaps their run, which is locked."""
    for verdict in verdicts:
        verdict.outcome, verdict.error, verdict.worker = outcome, error, ""
        verdict.answered_at = timezone.now()
        verdict.save(update_fields=["outcome", "error", "worker", "answered_at"])
    close_if_complete(run)


def close_if_complete(run: ScanRun) -> None:
    """End a run that waits for no verdict; it is locked."""
    if run.finished_at or run.verdicts.filter(outcome=Outcome.PENDING).exists():
        return
    run.finished_at = timezone.now()
    # A worker can be quicker than the note that its message was sent.
    if run.dispatched_at is None and run.verdicts.exists():
        run.dispatched_at = run.finished_at
    run.save(update_fields=["dispatched_at", "finished_at"])


def lock_run(**which: Any) -> ScanRun | None:
    """Lock a run until the end of the transaction. Whatever else changes it or its verdicts waits."""
    return ScanRun.objects.select_for_update(of=("self",), no_key=True).order_by().filter(**which).first()


# What is shown.


def summary(run: ScanRun) -> dict[str, Any]:
    """Return `status`, `infected` and `threats`, the names that the engines gave.

    A sample is not infected (false) when an engine looked for infection and found none, and every other one has looked
    as well. Where one failed it is not known (null).
    """
    verdicts = run.verdicts.all()
    outcomes = {verdict.outcome for verdict in verdicts}
    infected = None
    if Outcome.INFECTED in outcomes:
        infected = True
    elif Outcome.CLEAN in outcomes and outcomes <= {Outcome.CLEAN, Outcome.DESCRIBED}:
        infected = False
    threats = {verdict.name: None for verdict in verdicts if verdict.outcome == Outcome.INFECTED and verdict.name}
    return {"status": run.status.value, "infected": infected, "threats": list(threats)}


# Small things.


def is_open(run: ScanRun | None) -> TypeGuard[ScanRun]:
    """Tell whether a run is still to be dispatched."""
    return run is not None and run.dispatched_at is None and run.finished_at is None


def is_signed(verdict: Verdict, signed: str) -> bool:
    """Tell whether a signature is that of a verdict."""
    try:
        return signer(verdict).unsign(signed) == str(verdict.id)
    except signing.BadSignature:
        return False


def is_announcement(engine: Any) -> bool:
    """Tell whether an engine is announced as it should be: its name names a queue."""
    known = (
        isinstance(engine, dict) and isinstance(engine.get("name"), str) and engine.get("kind") in Engine.Kind.values
    )
    if known and engine["name"].isidentifier() and engine["name"].isascii() and len(engine["name"]) <= 64:
        return True
    logger.error("an announcement is of no use: %.200r", engine)
    return False


def as_uuid(value: Any) -> UUID | None:
    """Return the UUID that a text is."""
    try:
        return UUID(str(value))
    except ValueError:
        return None


def lifetime() -> timedelta:
    """Return how long a run waits for its verdicts."""
    return timedelta(seconds=settings.SCAN_EXPIRES)


def sync_folder(path: Path) -> None:
    """Make a folder's entries safe against a power cut."""
    folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
