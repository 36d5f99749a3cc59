"""The Admin UI. Users, groups and the schedule of the periodic tasks can be edited; records of the past cannot."""

from typing import ClassVar

from django.contrib import admin
from django.core.paginator import Paginator
from django.db.models import Model, QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.functional import cached_property
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from scaggr.models import (
    ApiToken,
    ApprovedEngine,
    Canary,
    Engine,
    Heartbeat,
    Node,
    Sample,
    ScanRun,
    TaskState,
    Verdict,
    WorkerState,
)
from scaggr.scanning.search import MOST, newest


class ReadOnly:
    """Rows to look at, not to touch."""

    def has_add_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Records are made by what happens."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """What happened stays as it was."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Samples and verdicts stay; other old records go by themselves, see the task scaggr.prune."""
        return False


class RecordAdmin(ReadOnly, admin.ModelAdmin):
    """A list of such rows."""

    list_per_page = 50


class BoundedPaginator(Paginator):
    """Pages of no more rows than are counted: counting all would take a minute one day."""

    @cached_property
    def count(self) -> int:
        """Count to MOST."""
        return self.object_list[:MOST].count()


class ScanAdmin(RecordAdmin):
    """Rows of samples: millions of them one day. They are searched for as on the page of samples."""

    SHOWN = 1000
    BY_RUNS: ClassVar = {Sample: "sha256__in", ScanRun: "id__in", Verdict: "run__in"}

    paginator = BoundedPaginator
    show_full_result_count = False
    search_fields: ClassVar = ["pk"]
    search_help_text = (
        f"A hash or its beginning, a file's name, a threat, or key=value: what the newest {SHOWN} scans have of it."
    )

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Model], search_term: str
    ) -> tuple[QuerySet[Model], bool]:
        """Return the rows of the newest scans that are found."""
        term = search_term.replace("\0", "").strip()
        if not term:
            return queryset, False
        found = newest(term, self.SHOWN)
        if self.model is Sample:
            found = list(ScanRun.objects.order_by().filter(id__in=found).values_list("sample_id", flat=True))
        return queryset.filter(**{self.BY_RUNS[self.model]: found}), False


class StatusFilter(admin.SimpleListFilter):
    """Runs by how far they are."""

    title = "status"
    parameter_name = "status"

    def lookups(self, request: HttpRequest, model_admin: admin.ModelAdmin) -> list[tuple[str, str]]:
        """Offer every status."""
        return ScanRun.Status.choices

    def queryset(self, request: HttpRequest, queryset: QuerySet[ScanRun]) -> QuerySet[ScanRun]:
        """Choose by the two dates that make the status."""
        try:
            finished, dispatched = STATUSES[self.value()]
        except KeyError:
            return queryset
        return queryset.filter(finished_at__isnull=not finished, dispatched_at__isnull=not dispatched)


STATUSES = {
    ScanRun.Status.WAITING: (False, False),
    ScanRun.Status.SCANNING: (False, True),
    ScanRun.Status.DONE: (True, True),
    ScanRun.Status.EXPIRED: (True, False),
}


class RunInline(ReadOnly, admin.TabularInline):
    """The scans of a sample."""

    model = ScanRun
    fields: ClassVar = ["name", "submitted_by", "created_at", "dispatched_at", "finished_at"]
    show_change_link = True
    extra = 0


class VerdictInline(ReadOnly, admin.TabularInline):
    """The verdicts of a run."""

    model = Verdict
    fields: ClassVar = ["engine", "engine_version", "outcome", "name", "error", "duration", "attempts", "worker"]
    show_change_link = True
    extra = 0


@admin.register(Sample)
class SampleAdmin(ScanAdmin):
    """Samples."""

    list_display: ClassVar = ["sha256", "size", "first_seen", "sha1", "md5"]
    inlines: ClassVar = [RunInline]


@admin.register(ScanRun)
class ScanRunAdmin(ScanAdmin):
    """Runs, each with its verdicts."""

    list_display: ClassVar = ["created_at", "name", "state", "submitted_by", "finished_at", "sample"]
    list_display_links: ClassVar = ["created_at", "name"]
    list_filter: ClassVar = [StatusFilter, "submitted_by"]
    list_select_related: ClassVar = ["submitted_by"]
    fields: ClassVar = [
        "id",
        "name",
        "sample_link",
        "state",
        "submitted_by",
        "created_at",
        "dispatched_at",
        "finished_at",
    ]
    inlines: ClassVar = [VerdictInline]

    @admin.display(description="status")
    def state(self, run: ScanRun) -> str:
        """Show how far it is."""
        return run.status.label

    @admin.display(description="sample")
    def sample_link(self, run: ScanRun) -> SafeString:
        """Lead to the sample."""
        return link("sample", run.sample_id, run.sample_id)


@admin.register(Verdict)
class VerdictAdmin(ScanAdmin):
    """Verdicts."""

    list_display: ClassVar = ["engine", "outcome", "name", "run", "worker", "duration", "attempts", "answered_at"]
    list_filter: ClassVar = ["outcome"]
    # By what has an index.
    ordering: ClassVar = ["-id"]
    list_select_related: ClassVar = ["run"]
    fields: ClassVar = [
        *("id", "run_link", "engine", "engine_version", "outcome", "name", "error"),
        *("key_values", "duration", "attempts", "worker", "answered_at"),
    ]

    @admin.display(description="run")
    def run_link(self, verdict: Verdict) -> SafeString:
        """Lead to the run."""
        return link("scanrun", verdict.run_id, verdict.run.name)

    @admin.display(description="metadata")
    def key_values(self, verdict: Verdict) -> SafeString:
        """Show a line for each key."""
        rows = format_html_join("", "<tr><th>{}</th><td>{}</td></tr>", sorted(verdict.metadata.items()))
        return format_html("<table>{}</table>", rows) if rows else SafeString("-")


@admin.register(Engine)
class EngineAdmin(RecordAdmin):
    """Engines, as their workers announce them. Those of a worker that is gone for good are deleted here."""

    list_display: ClassVar = ["name", "worker", "kind", "live", "version", "announced_at", "problem", "warning"]
    list_filter: ClassVar = ["live", "kind", "name", "worker"]
    search_fields: ClassVar = ["name", "worker", "version", "problem"]

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Whoever has the right may forget an engine; one that still works is announced again."""
        return admin.ModelAdmin.has_delete_permission(self, request, obj)


@admin.register(ApprovedEngine)
class ApprovedEngineAdmin(admin.ModelAdmin):
    """Engines that scans may wait for, besides those of the master's pillar: an admin adds the name."""

    list_display: ClassVar = ["name", "approved_at"]


@admin.register(Node)
class NodeAdmin(RecordAdmin):
    """Nodes and the logins that speak for them. One that is deleted is bound again to whoever speaks for it next."""

    list_display: ClassVar = ["hostname", "login", "since"]
    search_fields: ClassVar = ["hostname", "login"]

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Whoever has the right may let go of a node, after its login was renamed."""
        return admin.ModelAdmin.has_delete_permission(self, request, obj)


@admin.register(ApiToken)
class ApiTokenAdmin(RecordAdmin):
    """Tokens: `manage.py token` makes them, here they are taken away."""

    list_display: ClassVar = ["beginning", "user", "created_at", "expires_at", "last_used_at"]
    list_filter: ClassVar = ["user"]
    list_select_related: ClassVar = ["user"]
    search_fields: ClassVar = ["user__username", "digest__startswith"]
    fields: ClassVar = ["digest", "user", "created_at", "expires_at", "last_used_at"]
    date_hierarchy = "created_at"

    @admin.display(description="digest", ordering="digest")
    def beginning(self, token: ApiToken) -> str:
        """Show enough of the digest to know a token by."""
        return token.digest[:12]

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Whoever has the right may take a token away."""
        return admin.ModelAdmin.has_delete_permission(self, request, obj)


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


def link(model: str, key: object, text: object) -> SafeString:
    """Return a link to a row."""
    return format_html('<a href="{}">{}</a>', reverse(f"admin:scaggr_{model}_change", args=[key]), text)
