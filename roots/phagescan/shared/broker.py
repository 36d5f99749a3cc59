"""The broker: connected to at once or not at all, so that a page does not wait for one that is away."""

from collections.abc import Iterable, Mapping
from typing import Any

from amqp.exceptions import AMQPError, MessageNacked, NotFound
from kombu import Connection
from kombu.exceptions import KombuError

from shared.app import app
from shared.text import brief

BROKER_ERRORS = (OSError, AMQPError, KombuError, MessageNacked)
"""What goes wrong between here and the broker."""

CONNECT_TIMEOUT = 2.0
ANSWER_TIMEOUT = 5.0

LOOK_TIMEOUT = 1.0
"""Seconds that the broker has for each answer when it is only looked at."""


def connect(timeout: float, answer_timeout: float, **options: Any) -> Connection:
    """Connect to the broker at the first attempt or not at all, with these options of the transport."""
    connection = app.connection_for_write(
        connect_timeout=timeout,
        transport_options={"read_timeout": answer_timeout, "write_timeout": answer_timeout, **options},
    )
    connection.ensure_connection(max_retries=0)
    return connection


def trouble(error: Exception, conf: Mapping[str, Any]) -> str:
    """Say in a line what went wrong between here and the broker of a BROKER_CONF."""
    place = f"{conf['host']}:{conf['port']}"
    if isinstance(error, AMQPError):
        return f"{place} refused {conf['user']} on vhost {conf['vhost']} ({brief(error)})"
    return f"{place} does not answer ({brief(error)})"


def depths(queues: Iterable[str], timeout: float = LOOK_TIMEOUT) -> dict[str, tuple[int, int]]:
    """Return for each queue how many messages wait in it and how many consumers it has; BROKER_ERRORS are raised."""
    connection = connect(timeout, timeout)
    try:
        return {queue: depth(connection, queue) for queue in queues}
    finally:
        connection.collect()


def depth(connection: Connection, queue: str) -> tuple[int, int]:
    """Look at a queue without making it. The broker closes the channel where there is none."""
    channel = connection.channel()
    try:
        found = channel.queue_declare(queue, passive=True)
    except NotFound:
        return 0, 0
    channel.close()
    return found.message_count, found.consumer_count
