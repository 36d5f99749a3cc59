"""The Admin UI. Users, groups and the schedule of the periodic tasks can be edited; records of the past cannot."""

from typing import ClassVar

from django.contrib import admin
from django.db.models import Model
from django.http import HttpRequest

from scaggr.models import Canary, Heartbeat, TaskState, WorkerState


class RecordAdmin(admin.ModelAdmin):
    """Rows to look at, not to touch."""

    list_per_page = 50

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Records are made by what happens."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """What happened stays as it was."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Old records go by themselves, see scaggr.tasks.prune."""
        return False


@admin.register(Canary)
class CanaryAdmin(RecordAdmin):
    """Flights of the canary."""

    list_display: ClassVar = ["sent_at", "passed", "line"]
    list_filter: ClassVar = ["passed"]
    date_hierarchy = "sent_at"


@admin.register(Heartbeat)
class HeartbeatAdmin(RecordAdmin):
    """Runs of the periodic task."""

    list_display: ClassVar = ["sent_at", "number", "sent_by", "ran_at", "ran_by"]
    list_filter: ClassVar = ["sent_by", "ran_by"]


@admin.register(WorkerState)
class WorkerStateAdmin(RecordAdmin):
    """Nodes."""

    list_display: ClassVar = ["hostname", "is_alive", "last_heartbeat", "active", "processed", "software"]

    @admin.display(boolean=True, description="alive")
    def is_alive(self, worker: WorkerState) -> bool:
        """Show `alive` as a sign."""
        return worker.alive


@admin.register(TaskState)
class TaskStateAdmin(RecordAdmin):
    """Tasks."""

    list_display: ClassVar = ["seen_at", "name", "state", "worker", "runtime", "uuid"]
    list_filter: ClassVar = ["state", "worker", "name"]
    search_fields: ClassVar = ["uuid", "name", "exception"]
    date_hierarchy = "seen_at"
