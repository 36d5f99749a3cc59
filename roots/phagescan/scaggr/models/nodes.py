"""The nodes of master and workers, and what the camera saw of them and of their tasks."""

from datetime import timedelta
from typing import ClassVar

from django.db import models
from django.utils import timezone

from shared import clock

KEEP = timedelta(days=7)
"""How long it is kept what was observed of nodes and tasks: no one asks for what is older."""


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


class WorkerState(models.Model):
    """A Celery node as the camera saw it last."""

    SILENCE = timedelta(minutes=2)

    hostname = models.CharField("node", max_length=255, primary_key=True)
    online = models.BooleanField()
    last_heartbeat = models.DateTimeField(null=True)
    active = models.PositiveIntegerField(default=0, db_default=0, help_text="Tasks that it was running.")
    processed = models.PositiveBigIntegerField(
        default=0, db_default=0, help_text="Tasks that it has run since its start."
    )
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
    worker = models.CharField(max_length=255, blank=True)
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
