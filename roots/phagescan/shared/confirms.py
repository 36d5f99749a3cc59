"""Sends tasks, and does not wait for a broker that is away: an upload ends well without it. For many there is one wait:
a confirm for each would cost the broker's round trip for each.
"""

import threading
import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

from amqp.exceptions import MessageNacked
from kombu import Connection, Queue

from shared.app import app
from shared.broker import ANSWER_TIMEOUT, BROKER_ERRORS, CONNECT_TIMEOUT, connect

# Celery's own pool would try for ever to mend a connection, whatever `retry` says. So each thread keeps one here.
kept = threading.local()


@dataclass(frozen=True)
class Message:
    """The call of a task: its name and arguments, the queue where it is not that of Celery's routes, the seconds that
    the broker keeps it where it is not for ever, and its id.
    """

    task: str
    kwargs: Mapping[str, Any]
    queue: Queue | None = None
    expiration: float | None = None
    task_id: str = field(default_factory=lambda: str(uuid4()))


class Sender:
    """A connection whose broker confirms what is sent when it has it, several messages at a time."""

    def __init__(self, connection: Connection) -> None:
        """Take a connection that does not wait for each confirm by itself."""
        self.connection, self.channel = connection, connection.channel()
        self.channel.confirm_select()
        self.channel.events["basic_ack"].add(self.on_ack)
        self.channel.events["basic_nack"].add(self.on_nack)
        self.producer = app.amqp.Producer(self.channel, auto_declare=False)
        self.tag = 0
        self.unconfirmed: dict[int, str] = {}
        self.refused = False

    def send(self, messages: Collection[Message]) -> None:
        """Send, and wait until the broker has confirmed all. Else one of BROKER_ERRORS is raised, and `unconfirmed` has
        the ids of those of which it is not known.
        """
        self.unconfirmed = {self.tag + number: message.task_id for number, message in enumerate(messages, 1)}
        for message in messages:
            self.tag += 1
            app.send_task(
                message.task,
                kwargs=message.kwargs,
                task_id=message.task_id,
                queue=message.queue,
                expiration=message.expiration,
                producer=self.producer,
                retry=False,
                ignore_result=True,
                add_to_parent=False,
                argsrepr="",
                kwargsrepr="",
            )
        deadline = time.monotonic() + ANSWER_TIMEOUT
        while self.unconfirmed:
            if self.refused:
                raise MessageNacked
            self.connection.drain_events(timeout=max(0.001, deadline - time.monotonic()))

    def on_ack(self, tag: int, multiple: bool) -> None:
        """Take it that the broker has a message, or all up to it."""
        for number in [number for number in self.unconfirmed if number <= tag] if multiple else [tag]:
            self.unconfirmed.pop(number, None)

    def on_nack(self, *_: Any) -> None:
        """Take it that the broker could not keep a message."""
        self.refused = True


def publish_all(messages: Collection[Message]) -> tuple[set[str], Exception | None]:
    """Send tasks. Return the ids of those that the broker has for certain, and what went wrong with the others, one of
    BROKER_ERRORS.

    A kept connection may have died since it was used last: then what it did not confirm is sent once more over a new
    one. It may arrive twice so, as any message may.
    """
    missing = {message.task_id: message for message in messages}
    error: Exception | None = None
    while missing:
        sender = getattr(kept, "sender", None)
        fresh = sender is None
        try:
            if sender is None:
                sender = kept.sender = Sender(connect(CONNECT_TIMEOUT, ANSWER_TIMEOUT, confirm_publish=False))
            sender.send(missing.values())
            missing = {}
        except BROKER_ERRORS as reason:
            if sender is not None:
                missing = {task_id: missing[task_id] for task_id in sender.unconfirmed.values()}
                sender.connection.collect()
            kept.sender = None
            if fresh or isinstance(reason.__cause__ or reason, TimeoutError):
                error = reason
                break
        except BaseException:
            kept.sender = None
            raise
    return {message.task_id for message in messages} - missing.keys(), error
