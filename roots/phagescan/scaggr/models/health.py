"""What shows that the master works."""

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
