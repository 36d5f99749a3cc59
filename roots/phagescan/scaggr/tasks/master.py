"""What node master.master does."""

import time

from celery import Task

from scaggr import scans
from scaggr.canary import HOME_LIFE, home_id
from scaggr.celery import app


@app.task(bind=True, name="scaggr.canary_out")
def canary_out(self: Task, sent: float) -> None:
    """Fly from the queue master to the queue results."""
    app.send_task(
        "scaggr.canary_home",
        args=[self.request.id, self.request.hostname, time.time() - sent, time.time()],
        task_id=home_id(self.request.id),
        expiration=HOME_LIFE,
    )


@app.task(name="scaggr.dispatch")
def dispatch(run_id: str) -> None:
    """Send a run to the engines. One that fails is taken up by scaggr.refresh_engines."""
    scans.dispatch(run_id)
