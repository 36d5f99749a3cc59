"""What node master.periodic does."""

from datetime import datetime

from axes.models import AccessAttempt
from celery import Task
from django.conf import settings
from django.utils import timezone

from scaggr.models import Canary, Heartbeat, TaskState, WorkerState
from scaggr.models.nodes import KEEP
from scaggr.scanning import dispatch, engines, runs, submit
from shared import tasks
from shared.app import app


@app.task(bind=True, name=tasks.HEARTBEAT)
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


@app.task(name=tasks.PRUNE)
def prune() -> None:
    """Remove records that are older than anyone asks for."""
    old = timezone.now() - KEEP
    Canary.objects.filter(sent_at__lt=old).delete()
    Heartbeat.objects.filter(sent_at__lt=old).delete()
    TaskState.objects.filter(seen_at__lt=old).delete()
    WorkerState.objects.filter(last_heartbeat__lt=old).delete()
    AccessAttempt.objects.filter(attempt_time__lt=timezone.now() - settings.AXES_COOLOFF_TIME).delete()


@app.task(name=tasks.REFRESH_ENGINES)
def refresh_engines() -> None:
    """Take silent workers' engines out of use, and dispatch the runs that still wait for one."""
    engines.refresh_engines()
    dispatch.split_stranded()
    dispatch.dispatch_waiting()


@app.task(name=tasks.EXPIRE_RUNS)
def expire_runs() -> None:
    """End the runs whose time is over, and remove what was received by halves."""
    runs.expire()
    submit.prune_incoming()
