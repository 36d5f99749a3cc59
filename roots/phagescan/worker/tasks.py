"""The task of the scan worker. Its message comes back when the worker was killed: it may run twice for a verdict."""

import time
from typing import Any
from uuid import uuid4

from celery import Task
from celery.exceptions import Reject
from celery.signals import worker_init, worker_process_init
from celery.utils.log import get_task_logger

from shared import tasks
from shared.app import app
from shared.conf import load
from shared.queues import RESULTS
from worker import fetch
from worker.confine import untraceable
from worker.sandbox import Answer, Sandbox, trouble

logger = get_task_logger(__name__)

CONF = load("worker")

RETRY = {"max_retries": 200, "interval_start": 0.2, "interval_step": 0.5, "interval_max": 3.0}
"""About ten minutes: a broker that restarts is waited for."""

PAUSE = 5.0
"""Seconds before a message goes back, so that it does not circle too fast."""

sandboxes: dict[str, Sandbox] = {}
"""Those of this process of the pool."""


@worker_init.connect
def clean_up(**_: Any) -> None:
    """Begin without the samples that a killed worker left; do not begin without a place for samples."""
    untraceable()
    try:
        fetch.remove_leftovers()
    except OSError as error:
        raise SystemExit(f"there is no place for samples: {error.strerror or error}") from error


@worker_process_init.connect
def warm_up(**_: Any) -> None:
    """Start the engines of a process of the pool, so that its first scan need not wait for them."""
    for engine in CONF["engines"]:
        sandbox(engine).warm_up()


@app.task(bind=True, name=tasks.SCAN)
def scan(self: Task, engine: str, signed: str) -> None:
    """Fetch the sample, have the engine look at it, send the verdict. The task's id is the verdict's."""
    try:
        report(self.request.id, self.request.hostname, judge(engine, signed))
    except fetch.UnwantedError as reason:
        logger.info("no verdict of %s is wanted: %s", engine, reason)
    except Exception as error:
        # To the queue again, where the message stays until it expires. Celery's retry would send a new one through the
        # default exchange, and the right to write there is the right to write to every queue.
        logger.warning("%s gave no verdict, the task goes back to its queue: %s", engine, error)
        time.sleep(PAUSE)
        raise Reject(str(error), requeue=True) from None


def judge(engine: str, signed: str) -> Answer:
    """Return what became of the scan. Where this host is short of something, that is the answer: the master is not to
    wait.

    The master counts how often a sample was delivered, and knows a delivery by its number: fetching again is not one
    more.
    """
    try:
        with fetch.sample(CONF["scan"]["master_url"], signed, uuid4().hex, CONF["ca_certs"]) as sample:
            return sandbox(engine).scan(sample)
    except OSError as error:
        logger.error("%s did not scan: %s", engine, error)
        return Answer("error", error=trouble(error))


def sandbox(engine: str) -> Sandbox:
    """Return the engine's sandbox of this process."""
    if engine not in sandboxes:
        sandboxes[engine] = Sandbox(engine, CONF["engines"][engine])
    return sandboxes[engine]


def report(verdict: str, node: str, answer: Answer) -> None:
    """Send a verdict to the result collector, and wait until the broker has it."""
    app.send_task(
        tasks.RECORD,
        kwargs={"verdict": verdict, "worker": node, **vars(answer)},
        queue=RESULTS,
        exchange=RESULTS.exchange.name,
        routing_key=RESULTS.routing_key,
        user_id=app.login,
        retry=True,
        retry_policy=RETRY,
        confirm_timeout=30.0,
        ignore_result=True,
        add_to_parent=False,
    )
