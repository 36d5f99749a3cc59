"""What a node takes from its queue: calls of its own tasks, and nothing else that a message may ask for.

Celery does what a message says: it sends the tasks that are named as callbacks, errbacks, chain or chord, with the
login of the node; it keeps a message until the time that it names; it runs the built-in tasks that make all this
possible. Of the results' queue that would give every worker the rights of the master. So a message is stripped here,
before anything looks at it, to the name of a task, its arguments and its id; and what is not such a message is dropped.

Nor does a message say when it is too late: that time is of the sender's clock, and Celery would compare it with this
host's and drop the message in silence. The broker drops what no one took in time (`expiration`), by one clock; of scans
the master knows which are over.
"""

import re
import time
from collections.abc import Callable, Collection
from typing import Any

from celery import Celery
from celery.utils.log import get_logger
from celery.worker import consumer
from celery.worker.control import Panel
from celery.worker.state import maybe_shutdown
from kombu import Connection, Message
from kombu.serialization import dumps, loads

from shared import refusal
from shared.celeryd import tell_ready

logger = get_logger(__name__)

HEADERS = ("task", "id", "beat")
"""What is kept. Celery takes callbacks from the headers as well as from the body."""

LONGEST = 8 << 20
"""Bytes of a message: workers send one MiB at a time, and a node has many in memory."""

EVENTS_TOGETHER = 0.5
"""Seconds of which a node's events go in one message: the camera looks every two seconds."""

PROPERTIES = ("user_id", "timestamp")
"""Likewise: who has sent it, as RabbitMQ vouches for, and when, by its own clock."""


class Consumer(consumer.Consumer):
    """Takes calls of the node's own tasks. It listens to no other node: nodes here have nothing to say to each
    other.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Do without the parts that act on what other nodes send, and take no command but the question whether the
        node is there: whoever may write to the broker's exchanges could else shut it down.
        """
        for command in Panel.data.keys() - {"ping"}:
            del Panel.data[command]
        self.events_sent_by = 0.0
        super().__init__(*args, without_gossip=True, without_mingle=True, **kwargs)

    def on_send_event_buffered(self) -> None:
        """Send soon what the node has to tell of its tasks, where Celery would send it at once and by itself."""
        # With a lost connection Celery forgets what is to be called later.
        if self.hub and time.monotonic() >= self.events_sent_by:
            self.events_sent_by = time.monotonic() + EVENTS_TOGETHER
            self.timer.call_after(EVENTS_TOGETHER, self._flush_events)

    def ensure_connected(self, conn: Connection) -> Connection:
        """Connect. A broker that is away is waited for, and the service has started all the same; a refused login has
        not.
        """
        try:
            refusal.connect(conn, maybe_shutdown)
        except OSError:
            tell_ready()
        except conn.connection_errors:
            pass  # tried again, and logged, by what follows
        return super().ensure_connected(conn)

    def create_task_handler(self, *args: Any, **kwargs: Any) -> Callable[[Message], None]:
        """Return what is called with each message."""
        handle = super().create_task_handler(*args, **kwargs)
        tasks = own_tasks(self.app)

        def on_task_received(message: Message) -> None:
            try:
                strip(message, tasks)
            except Exception as error:  # noqa: BLE001
                logger.error("a message is of no use and dropped: %s: %.300s", type(error).__name__, error)
                message.reject_log_error(logger, self.connection_errors)
            else:
                handle(message)

        return on_task_received


def own_tasks(app: Celery) -> set[str]:
    """Name the tasks of the modules that the node's configuration imports: Celery's built-in ones are not among
    them.
    """
    return {name for name, task in app.tasks.items() if task.__module__ in app.conf.imports}


def strip(message: Message, tasks: Collection[str]) -> None:
    """Leave nothing in a message but the call of one of these tasks. Anything may be raised when there is none."""
    if len(message.body) > LONGEST:
        raise ValueError(f"it has {len(message.body)} bytes")
    body = loads(message.body, message.content_type, message.content_encoding, accept=message.accept)
    kept = {key: message.headers[key] for key in HEADERS if message.headers.get(key) is not None}
    if not isinstance(kept.get("task"), str) or kept["task"] not in tasks:
        raise ValueError(f"{kept.get('task')!r:.100} is no task of this node")
    if not isinstance(kept.get("id"), str) or not re.fullmatch("[0-9A-Za-z-]{1,64}", kept["id"]):
        raise ValueError(f"{kept.get('id')!r:.100} is no id of a {kept['task']}")
    args, kwargs, _ = body
    if not isinstance(args, list) or not isinstance(kwargs, dict):
        raise TypeError(f"no arguments for {kept['task']}")
    message.headers = kept
    # RabbitMQ takes no message with another's.
    message.properties = {key: value for key in PROPERTIES if (value := message.properties.get(key))}
    message.content_type, message.content_encoding, message.body = dumps([args, kwargs, {}], serializer="json")
