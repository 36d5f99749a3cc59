"""What node master.periodic does."""

from datetime import datetime, timedelta

from axes.models import AccessAttempt
from celery import Task
from django.conf import settings
from django.utils import timezone

from scaggr import scans
from scaggr.celery import app
from scaggr.models import Canary, Heartbeat, TaskState, WorkerState

KEEP = timedelta(days=7)


@app.task(bind=True, name="scaggr.heartbeat")
def heartbeat(self: Task) -> None:
    """Show that the periodic tasks are sent and run."""
    beat = self.request.get("beat") or {}
    Heartbeat.objects.get_or_create(
        id=self.request.id,
        defaults={
            "number": beat.get("number", 0),
            "sent_at": datetime.fromisoformat(beat["sent_at"]) if beat else timezone.now(),
            "sent_by": beat.get("sent_by", "nobody"),
            "ran_by": self.request.hostname,
        },
    )


@app.task(name="scaggr.prune")
def prune() -> None:
    """Remove records that are older than anyone asks for."""
    old = timezone.now() - KEEP
    Canary.objects.filter(sent_at__lt=old).delete()
    Heartbeat.objects.filter(sent_at__lt=old).delete()
    TaskState.objects.filter(seen_at__lt=old).delete()
    WorkerState.objects.filter(last_heartbeat__lt=old).delete()
    AccessAttempt.objects.filter(attempt_time__lt=timezone.now() - settings.AXES_COOLOFF_TIME).delete()


@app.task(name="scaggr.refresh_engines")
def refresh_engines() -> None:
    """Take silent workers' engines out of use, and dispatch the runs that still wait for one."""
    scans.refresh_engines()
    scans.dispatch_waiting()


@app.task(name="scaggr.expire_runs")
def expire_runs() -> None:
    """End the runs whose time is over, and remove what was received by halves."""
    scans.expire()
    scans.prune_incoming()
