"""What the master remembers: samples, the runs that scanned them and their verdicts, and its own machinery."""

import hashlib
import secrets
from datetime import timedelta
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

from scaggr import clock
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


class Engine(models.Model):
    """An engine on a worker, as the worker announced it last."""

    SILENCE = timedelta(seconds=45)

    class Kind(TextChoices):
        """What an engine is for."""

        EVILNESS = "evilness", "evilness"
        METADATA = "metadata", "metadata"

    name = models.CharField(max_length=64)
    worker = models.CharField(max_length=255, help_text="The node that runs it.")
    kind = models.CharField(max_length=16, choices=Kind.choices)
    version = models.CharField(max_length=255, blank=True)
    problem = models.TextField(blank=True, help_text="What its self-test found; empty when it works.")
    warning = models.TextField(
        blank=True, default="", db_default="", help_text="What it works without, though it should have it."
    )
    host = models.CharField(
        max_length=64, blank=True, default="", db_default="", help_text="The same for a host that is renamed."
    )
    announced_at = models.DateTimeField(default=timezone.now)
    live = models.BooleanField(default=True, help_text="It works, and its worker has announced it lately.")

    class Meta:
        """By name; one row an engine and worker."""

        ordering: ClassVar = ["name", "worker"]
        constraints: ClassVar = [models.UniqueConstraint(fields=["name", "worker"], name="engine_once")]

    def __str__(self) -> str:
        """Show the engine and its worker."""
        return f"{self.name} on {self.worker}"


class ApprovedEngine(models.Model):
    """An engine that scans may wait for, though the master's pillar does not list it."""

    name = models.CharField(max_length=64, primary_key=True)
    approved_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        """By name."""

        ordering: ClassVar = ["name"]

    def __str__(self) -> str:
        """Show the name."""
        return self.name


class Node(models.Model):
    """A node that workers' messages have named, and the login at the broker that speaks for it."""

    hostname = models.CharField(max_length=255, primary_key=True)
    login = models.CharField(max_length=255, blank=True, help_text="Empty: of a worker of release 1.0.")
    since = models.DateTimeField(default=timezone.now, editable=False)
    clock = models.FloatField(
        null=True, editable=False, help_text="Seconds that its clock is ahead of the master's; empty: it has not said."
    )

    class Meta:
        """By name."""

        ordering: ClassVar = ["hostname"]

    def __str__(self) -> str:
        """Show the name."""
        return self.hostname


class ApiToken(models.Model):
    """A token for the API. Only its digest is kept: the token itself is shown once, when it is made. A change of its
    user's password revokes it (scaggr.passwords).
    """

    DAYS = 365

    digest = models.CharField("SHA-256 of the token", max_length=64, primary_key=True)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="api_tokens")
    created_at = models.DateTimeField(default=timezone.now)
    expires_at = models.DateTimeField(null=True, help_text="From then on it is refused; without a date it never is.")
    last_used_at = models.DateTimeField(null=True)

    class Meta:
        """Newest first."""

        verbose_name = "API token"
        ordering: ClassVar = ["-created_at"]

    def __str__(self) -> str:
        """Show whose it is."""
        return f"{self.user} {self.digest[:8]}"

    @classmethod
    def make(cls, user: models.Model, days: int = DAYS) -> str:
        """Make a token for a user, good for so many days, and return it."""
        token = secrets.token_urlsafe(32)
        expires_at = timezone.now() + timedelta(days=days)
        cls.objects.create(digest=cls.digest_of(token), user=user, expires_at=expires_at)
        return token

    @staticmethod
    def digest_of(token: str) -> str:
        """Return what is kept of a token. It is random enough for a plain hash."""
        return hashlib.sha256(token.encode()).hexdigest()


class Canary(models.Model):
    """A flight of the canary. The result collector writes the row, the command that sent it adds its verdict."""

    id = models.UUIDField(primary_key=True)
    sent_at = models.DateTimeField(default=timezone.now, db_index=True)
    master_node = models.CharField(max_length=255, blank=True)
    results_node = models.CharField(max_length=255, blank=True)
    hops = models.JSONField(default=dict, help_text="Seconds that each hop took.")
    passed = models.BooleanField(null=True, help_text="Unknown until the command that sent it has its verdict.")
    line = models.TextField(blank=True)

    class Meta:
        """Newest first."""

        verbose_name_plural = "canaries"
        ordering: ClassVar = ["-sent_at"]

    def __str__(self) -> str:
        """Show the one line that the command printed."""
        return self.line or str(self.id)


class Heartbeat(models.Model):
    """A run of the periodic task `scaggr.heartbeat`: which beat sent it, which node ran it."""

    id = models.UUIDField(primary_key=True, help_text="The task's id.")
    number = models.PositiveBigIntegerField(help_text="Counts what was sent: no two rows have the same.")
    sent_at = models.DateTimeField(db_index=True)
    sent_by = models.CharField(max_length=255)
    ran_at = models.DateTimeField(default=timezone.now)
    ran_by = models.CharField(max_length=255)

    class Meta:
        """Newest first."""

        ordering: ClassVar = ["-sent_at"]

    def __str__(self) -> str:
        """Show the number and the beat that sent it."""
        return f"{self.number} from {self.sent_by}"


class WorkerState(models.Model):
    """A Celery node as the camera saw it last."""

    SILENCE = timedelta(minutes=2)

    hostname = models.CharField("node", max_length=255, primary_key=True)
    online = models.BooleanField()
    last_heartbeat = models.DateTimeField(null=True, db_index=True)
    active = models.PositiveIntegerField(default=0, help_text="Tasks that it was running.")
    processed = models.PositiveBigIntegerField(default=0, help_text="Tasks that it has run since its start.")
    software = models.CharField(max_length=255, blank=True)

    class Meta:
        """By name."""

        ordering: ClassVar = ["hostname"]

    def __str__(self) -> str:
        """Show the node's name."""
        return self.hostname

    @property
    def alive(self) -> bool:
        """Whether it was online, and so recently that it should still be."""
        return self.online and clock.is_recent(self.last_heartbeat, self.SILENCE)


class TaskState(models.Model):
    """A task as the camera saw it last, and the node that ran it."""

    uuid = models.CharField(max_length=255, primary_key=True)
    name = models.CharField(max_length=255, blank=True)
    state = models.CharField(max_length=64)
    worker = models.CharField(max_length=255, blank=True, db_index=True)
    received_at = models.DateTimeField(null=True)
    seen_at = models.DateTimeField(db_index=True, help_text="Time of the last event.")
    runtime = models.FloatField(null=True, help_text="Seconds.")
    exception = models.TextField(blank=True)

    class Meta:
        """Newest first."""

        ordering: ClassVar = ["-seen_at"]

    def __str__(self) -> str:
        """Show the task and its state."""
        return f"{self.name or self.uuid} {self.state}"
