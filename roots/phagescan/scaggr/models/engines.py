"""The engines that there are, and those that count."""

from datetime import timedelta
from typing import ClassVar

from django.db import models
from django.utils import timezone

from scaggr.choices import TextChoices


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
    takes_groups = models.BooleanField(
        default=False, db_default=False, editable=False, help_text="One message may ask it together with others."
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
