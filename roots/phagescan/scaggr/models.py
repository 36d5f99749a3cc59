"""What the master remembers about its own machinery. Every row is a record of something that happened."""

from datetime import timedelta
from typing import ClassVar

from django.db import models
from django.utils import timezone


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
        return bool(self.online and self.last_heartbeat and timezone.now() - self.last_heartbeat < self.SILENCE)


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
