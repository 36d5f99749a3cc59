"""The task of the scan worker. Its message comes back when the worker was killed: it may run twice for a verdict."""

import json
import time
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
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
from worker.answers import Answer, trouble
from worker.child import LONGEST
from worker.confine import untraceable
from worker.judge import judge
from worker.sandbox import Sandbox
from worker.unpack.inside import Limits
from worker.unpack.opening import Opening

logger = get_task_logger(__name__)

CONF = load("worker")

RETRY = {"max_retries": 200, "interval_start": 0.2, "interval_step": 0.5, "interval_max": 3.0}
"""About ten minutes: a broker that restarts is waited for."""

PAUSE = 5.0
"""Seconds before a message goes back, so that it does not circle too fast."""

sandboxes: dict[str, Sandbox] = {}
"""Those of this process of the pool."""

opening = Opening(CONF["unpack"])
limits = Limits.of(CONF["unpack"])


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
    with again_if_it_fails(self):
        answer = scanned([engine], signed)[engine]
        report(tasks.RECORD, verdict=self.request.id, worker=self.request.hostname, **vars(answer))


@app.task(bind=True, name=tasks.SCAN_GROUP)
def scan_group(self: Task, signed: str, verdicts: dict[str, str]) -> None:
    """Fetch the sample once, have several engines look at it, and send what they say. `verdicts` has their ids, by
    engine.
    """
    with again_if_it_fails(self):
        found = scanned([engine for engine in verdicts if engine in CONF["engines"]], signed)
        unable = [verdict for engine, verdict in verdicts.items() if engine not in found]
        answers = {verdicts[engine]: vars(answer) for engine, answer in found.items()}
        for part in parts(answers):
            report(tasks.RECORD_GROUP, worker=self.request.hostname, answers=part, unable=unable)
            unable = []


@contextmanager
def again_if_it_fails(task: Task) -> Iterator[None]:
    """Put the message of a task that fails back into its queue, where it stays until it expires. Celery's retry would
    send a new one through the default exchange, and the right to write there is the right to write to every queue.
    """
    try:
        yield
    except fetch.UnwantedError as reason:
        logger.info("no verdict is wanted: %s", reason)
    except Exception as error:
        logger.warning("no verdict, the task goes back to its queue: %s", error)
        time.sleep(PAUSE)
        raise Reject(str(error), requeue=True) from None


def scanned(engines: Collection[str], signed: str) -> dict[str, Answer]:
    """Return what became of the scan, by engine. Where this host is short of something, that is the answer: the master
    is not to wait.

    The master counts how often a sample was delivered, and knows a delivery by its number: fetching again is not one
    more.
    """
    try:
        with fetch.sample(CONF["scan"]["master_url"], signed, uuid4().hex, CONF["ca_certs"]) as sample:
            boxes = {engine: sandbox(engine) for engine in engines}
            return judge(boxes, opening, sample, limits, CONF["unpack"]["passwords"])
    except OSError as error:
        logger.error("%s did not scan: %s", ", ".join(engines), error)
        return dict.fromkeys(engines, Answer("error", error=trouble(error)))


def parts(answers: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Divide answers into as few messages as stay below LONGEST, far below what the broker takes."""
    part: dict[str, Any] = {}
    length = 0
    for verdict, answer in answers.items():
        size = len(json.dumps(answer))
        if part and length + size > LONGEST:
            yield part
            part, length = {}, 0
        part[verdict] = answer
        length += size
    yield part


def sandbox(engine: str) -> Sandbox:
    """Return the engine's sandbox of this process."""
    if engine not in sandboxes:
        sandboxes[engine] = Sandbox(engine, CONF["engines"][engine])
    return sandboxes[engine]


def report(task: str, **answer: Any) -> None:
    """Send what was found to the result collector, and wait until the broker has it."""
    app.send_task(
        task,
        kwargs=answer,
        queue=RESULTS,
        exchange=RESULTS.exchange.name,
        routing_key=RESULTS.routing_key,
        user_id=app.login,
        retry=True,
        retry_policy=RETRY,
        confirm_timeout=30.0,
        ignore_result=True,
        add_to_parent=False,
        argsrepr="",
        kwargsrepr="",
    )
