"""What node master.master does."""

import time
from collections.abc import Sequence

from celery import Task

from scaggr.health.canary import HOME_LIFE, home_id
from scaggr.nodes.batches import BatchTask, Call
from scaggr.scanning import dispatch as dispatching
from scaggr.scanning.runs import as_uuid
from shared import tasks
from shared.app import app


@app.task(bind=True, name=tasks.CANARY_OUT)
def canary_out(self: Task, sent: float) -> None:
    """Fly from the queue master to the queue results."""
    app.send_task(
        tasks.CANARY_HOME,
        args=[self.request.id, self.request.hostname, time.time() - sent, time.time()],
        task_id=home_id(self.request.id),
        expiration=HOME_LIFE,
    )


@app.task(base=BatchTask, name=tasks.DISPATCH)
def dispatch(calls: Sequence[Call]) -> None:
    """Send runs to the engines. Those that fail are taken up by scaggr.refresh_engines."""
    # `run_id` is of a message that release 1.1 has sent.
    ids = [run for call in calls for run in (*call.kwargs.get("run_ids", ()), call.kwargs.get("run_id"))]
    dispatching.dispatch([run_id for run_id in map(as_uuid, ids) if run_id])
