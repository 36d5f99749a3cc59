"""What node master.master does."""

import time

from celery import Task

from scaggr.health.canary import HOME_LIFE, home_id
from scaggr.scanning import dispatch as dispatching
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


@app.task(name=tasks.DISPATCH)
def dispatch(run_id: str) -> None:
    """Send a run to the engines. One that fails is taken up by scaggr.refresh_engines."""
    dispatching.dispatch(run_id)
