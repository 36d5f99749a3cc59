"""Tasks whose messages are worked on many at a time: while a batch is in the pool, the next one gathers.

A message that comes alone goes alone and at once; the more come, the more go together. celery-batches waits for each
batch to fill, and forgets one whose process is killed.
"""

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from celery import Task
from celery.exceptions import Reject
from celery.signals import task_prerun
from celery.utils.log import get_logger
from celery.worker import state
from celery.worker.consumer import Consumer
from kombu import Message

from shared.app import app

logger = get_logger(__name__)

MOST = 100
"""Messages of a batch."""

LONGEST = 8 << 20
"""Bytes of a batch of several messages."""

APART = 0.05
"""Seconds from the begin of a batch to that of the next, as long as messages come."""

PAUSE = 5.0
"""Seconds before the messages of a batch that failed go back to their queue, so that they do not circle too fast."""


@dataclass(frozen=True)
class Call:
    """What a message asks for: the arguments, and the login that has sent it, as RabbitMQ has seen it."""

    kwargs: Mapping[str, Any]
    login: str | None


class BatchTask(Task):
    """A task whose `run` takes a list of calls. If it raises Reject, all their messages go back to the queue."""

    abstract = True
    Strategy = f"{__name__}:strategy"

    def run(self, calls: Sequence[Call]) -> None:
        """Do what these calls ask for."""
        raise NotImplementedError


@dataclass(eq=False)
class Batch:
    """Messages that are in the pool at the same time. `id` is what Celery forgets a task by."""

    received: list["Received"]
    id: str = ""
    begin: float = field(default_factory=time.monotonic)


@dataclass(frozen=True)
class Received:
    """A message, and what ends it."""

    message: Message
    ack: Callable[..., None]
    reject: Callable[..., None]

    @property
    def id(self) -> str:
        """The task's id."""
        return self.message.headers["id"]

    @property
    def came_back(self) -> bool:
        """Whether a process may have ended with it before."""
        return bool((self.message.delivery_info or {}).get("redelivered"))

    @property
    def given(self) -> tuple[str, str | None]:
        """What the pool gets of it: its text, which is not read here, and its login."""
        return self.message.body, self.message.properties.get("user_id")


class Gathering:
    """The messages of one task since a node was connected."""

    def __init__(self, task: Task, consumer: Consumer) -> None:
        """Begin with none."""
        self.task, self.consumer = task, consumer
        self.waiting: list[Received] = []
        self.batch: Batch | None = None
        self.begun = -APART
        self.due: Any = None

    def take(self, message: Message, _: Any, ack: Callable, reject: Callable, *__: Any, **___: Any) -> None:
        """Take a message; this is what Celery calls a strategy."""
        self.waiting.append(Received(message, ack, reject))
        self.tell("task-received", self.waiting[-1], name=self.task.name)
        self.go_on()

    def go_on(self) -> None:
        """Begin with the next batch, now or when it is time; not over a lost connection: the broker sends all again."""
        if self.batch or self.due or not self.waiting or self.waiting[0].message.channel.connection is None:
            return
        left = self.begun + APART - time.monotonic()
        if left > 0 and len(self.waiting) < MOST:
            self.due = self.consumer.timer.call_after(left, self.wake)
        else:
            self.begin()

    def wake(self) -> None:
        """Take it that it is time."""
        self.due = None
        self.go_on()

    def begin(self) -> None:
        """Have the pool work on what has gathered."""
        self.begun = time.monotonic()
        received = self.next_batch()
        del self.waiting[: len(received)]
        self.batch = Batch(received)
        # Celery ends a node at once that has nothing reserved. What is active it would look into when a connection is
        # lost: those are tasks.
        state.reserved_requests.add(self.batch)
        given = [each.given for each in received]
        self.consumer.pool.apply_async(
            perform, (self.task.name, given), callback=self.succeed, error_callback=self.fail
        )

    def next_batch(self) -> list[Received]:
        """Return the first messages that wait: not too many, not too long, and one that came back by itself."""
        length = 0
        for number, each in enumerate(self.waiting[:MOST]):
            length += len(each.message.body)
            if number and (each.came_back or length > LONGEST):
                return self.waiting[:number]
            if each.came_back:
                return [each]
        return self.waiting[:MOST]

    def succeed(self, _: Any) -> None:
        """Let the broker forget the messages of the batch."""
        if batch := self.end():
            took = time.monotonic() - batch.begin
            logger.info("%s: %s messages in %.3f s", self.task.name, len(batch.received), took)
            for each in batch.received:
                each.ack(logger, self.consumer.connection_errors)
                self.tell("task-succeeded", each, runtime=took / len(batch.received), result="")
            state.all_total_count[0] += len(batch.received)
            self.go_on()

    def fail(self, error: Any) -> None:
        """Put the messages of the batch back into their queue, after a while."""
        logger.warning("%s messages go back to their queue: %s", self.task.name, getattr(error, "exception", error))
        self.consumer.timer.call_after(PAUSE, self.put_back)

    def put_back(self) -> None:
        """Put the messages of the batch back into their queue."""
        if batch := self.end():
            for each in batch.received:
                each.reject(logger, self.consumer.connection_errors, requeue=True)
            self.go_on()

    def end(self) -> Batch | None:
        """End the batch that is in the pool."""
        batch, self.batch = self.batch, None
        state.reserved_requests.discard(batch)
        return batch

    def tell(self, event: str, received: Received, **values: Any) -> None:
        """Send an event about a message."""
        if (events := self.consumer.event_dispatcher) and events.enabled:
            events.send(event, uuid=received.id, **values)


def strategy(task: Task, _: Any, consumer: Consumer) -> Callable[..., None]:
    """Return what a node calls with each message of a task, from one connection to the broker to the next."""
    return Gathering(task, consumer).take


def perform(name: str, given: Sequence[tuple[str, str | None]]) -> None:
    """Do what messages ask for; this runs in a process of the pool."""
    task = app.tasks[name]
    task_prerun.send(sender=task, task=task)
    calls = [call for text, login in given if (call := read(text, login))]
    try:
        task.run(calls)
    except Reject:
        raise
    except Exception:
        logger.exception("%s failed for %s messages", name, len(calls))
        if len(calls) > 1:
            for one in given:
                perform(name, [one])


def read(text: str, login: str | None) -> Call | None:
    """Return what a message asks for; nothing where it cannot be read."""
    try:
        _args, kwargs, _embed = json.loads(text)
    except (ValueError, RecursionError) as error:
        logger.error("a message is of no use: %.200s", error)
        return None
    return Call(kwargs, login)
