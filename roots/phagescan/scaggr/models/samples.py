"""What was handed in: samples, the runs that scanned them and their verdicts."""

from pathlib import Path
from typing import ClassVar
from uuid import uuid4

from django.conf import settings
from django.contrib.postgres.fields import HStoreField
from django.contrib.postgres.functions import RandomUUID
from django.contrib.postgres.indexes import GinIndex, OpClass
from django.db import models
from django.db.models.functions import Upper
from django.utils import timezone

from scaggr.choices import TextChoices


class Sample(models.Model):
    """A file that was handed in: stored once, whatever it is called and however often it comes."""

    sha256 = models.CharField("SHA-256", max_length=64, primary_key=True)
    sha1 = models.CharField("SHA-1", max_length=40, db_index=True)
    md5 = models.CharField("MD5", max_length=32, db_index=True)
    size = models.PositiveBigIntegerField(help_text="Bytes.")
    first_seen = models.DateTimeField(default=timezone.now, db_index=True)

    class Meta:
        """Newest first. To see a sample is not to have it."""

        ordering: ClassVar = ["-first_seen"]
        permissions: ClassVar = [("download_sample", "Can download samples")]

    def __str__(self) -> str:
        """Show the hash."""
        return self.sha256

    @property
    def path(self) -> Path:
        """Where its bytes lie: readable by the application alone, and never executable."""
        return Path(settings.SAMPLE_ROOT, self.sha256[:2], self.sha256)


class ScanRun(models.Model):
    """One upload of a sample, and its scan by every engine that had a live worker."""

    class Status(TextChoices):
        """How far a run is."""

        WAITING = "waiting", "waiting for an engine"
        SCANNING = "scanning", "scanning"
        DONE = "done", "done"
        EXPIRED = "expired", "no engine came"

    id = models.UUIDField(primary_key=True, default=uuid4, editable=False)
    sample = models.ForeignKey(Sample, on_delete=models.CASCADE, related_name="runs")
    name = models.CharField(max_length=255, help_text="The file's name, without its path.")
    submitted_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True)
    created_at = models.DateTimeField(default=timezone.now, db_index=True)
    dispatched_at = models.DateTimeField(null=True, help_text="When its tasks were sent.")
    finished_at = models.DateTimeField(null=True, help_text="When its last verdict came, or was waited for no longer.")

    class Meta:
        """Newest first. Unfinished runs are few and often asked for."""

        ordering: ClassVar = ["-created_at"]
        indexes: ClassVar = [
            models.Index("created_at", name="scanrun_open", condition=models.Q(finished_at=None)),
            GinIndex(OpClass(Upper("name"), name="gin_trgm_ops"), name="scanrun_name_anywhere"),
            models.Index(OpClass(Upper("name"), name="text_pattern_ops"), name="scanrun_name_beginning"),
        ]

    def __str__(self) -> str:
        """Show the name."""
        return self.name

    @property
    def status(self) -> Status:
        """How far the run is."""
        if self.finished_at:
            return self.Status.DONE if self.dispatched_at else self.Status.EXPIRED
        return self.Status.SCANNING if self.dispatched_at else self.Status.WAITING


class Verdict(models.Model):
    """What one engine says of a sample in one run. Its id is the id of the task that asks for it."""

    class Outcome(TextChoices):
        """How an engine's work ended. An engine of kind metadata describes; it says nothing about infection."""

        PENDING = "pending", "pending"
        INFECTED = "infected", "infected"
        CLEAN = "clean", "clean"
        DESCRIBED = "described", "described"
        ERROR = "error", "error"
        TIMED_OUT = "timed_out", "timed out"

    id = models.UUIDField(primary_key=True, default=uuid4, editable=False)
    run = models.ForeignKey(ScanRun, on_delete=models.CASCADE, related_name="verdicts")
    engine = models.CharField(max_length=64)
    engine_version = models.CharField(max_length=255, blank=True)
    outcome = models.CharField(max_length=16, choices=Outcome.choices, default=Outcome.PENDING)
    name = models.CharField("threat", max_length=255, blank=True)
    error = models.TextField(blank=True, help_text="Why there is no better outcome.")
    metadata = HStoreField(default=dict, help_text="What else the engine found, key by key.")
    duration = models.FloatField(null=True, help_text="Seconds that the engine took.")
    attempts = models.PositiveSmallIntegerField(
        default=0, help_text="How often a worker began to fetch the sample for it."
    )
    fetch_key = models.UUIDField(
        db_default=RandomUUID(), editable=False, help_text="Signs what its sample is fetched with."
    )
    delivery = models.CharField(
        max_length=32, blank=True, help_text="The number of the message's delivery that fetched last."
    )
    group = models.CharField(
        max_length=64,
        blank=True,
        default="",
        db_default="",
        editable=False,
        help_text="The first of the engines that one message asks; empty where it is asked by itself.",
    )
    sent = models.BooleanField(
        default=False, db_default=False, editable=False, help_text="The broker has the message that asks for it."
    )
    worker = models.CharField(
        max_length=255, blank=True, help_text="The node that gave it; empty where the master did."
    )
    answered_at = models.DateTimeField(null=True)

    class Meta:
        """By engine; one verdict an engine and run."""

        ordering: ClassVar = ["engine"]
        constraints: ClassVar = [models.UniqueConstraint(fields=["run", "engine"], name="verdict_once")]
        indexes: ClassVar = [
            GinIndex(fields=["metadata"], name="verdict_metadata"),
            GinIndex(
                OpClass(Upper("name"), name="gin_trgm_ops"),
                name="verdict_threat_anywhere",
                condition=~models.Q(name=""),
            ),
            models.Index(
                OpClass(Upper("name"), name="text_pattern_ops"),
                name="verdict_threat_beginning",
                condition=~models.Q(name=""),
            ),
        ]

    def __str__(self) -> str:
        """Show the engine and what it says."""
        return f"{self.engine}: {self.get_outcome_display()} {self.name or self.error}".strip()
