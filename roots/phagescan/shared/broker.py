"""Talks to the broker, and does not wait for one that is away: an upload ends well without it, and so does a page."""

import threading
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

# Celery's own pool would try for ever to mend a connection, whatever `retry` says. So each thread keeps one here.
kept = threading.local()


def publish(task: str, **options: Any) -> None:
    """Send a task. The broker has it when this returns; else one of BROKER_ERRORS is raised.

    A kept connection may have died since it was used last: then the message is sent once more over a new one. It may
    arrive twice so, as any message may.
    """
    connection = getattr(kept, "connection", None)
    if connection is not None:
        try:
            return send(connection, task, options)
        except BROKER_ERRORS as error:
            forget(connection)
            if isinstance(error.__cause__ or error, TimeoutError):
                raise
    connection = connect(CONNECT_TIMEOUT, ANSWER_TIMEOUT)
    try:
        send(connection, task, options)
    except BROKER_ERRORS:
        forget(connection)
        raise
    kept.connection = connection


def connect(timeout: float, answer_timeout: float, **options: Any) -> Connection:
    """Connect to the broker at the first attempt or not at all, with these options of the transport."""
    connection = app.connection_for_write(
        connect_timeout=timeout,
        transport_options={"read_timeout": answer_timeout, "write_timeout": answer_timeout, **options},
    )
    connection.ensure_connection(max_retries=0)
    return connection


def send(connection: Connection, task: str, options: dict[str, Any]) -> None:
    """Send a task over a connection, and wait until the broker confirms it."""
    if not connection.connected:
        raise ConnectionResetError("the connection is gone")
    app.send_task(
        task,
        connection=connection,
        retry=False,
        confirm_timeout=ANSWER_TIMEOUT,
        ignore_result=True,
        argsrepr="",
        kwargsrepr="",
        **options,
    )


def forget(connection: Connection) -> None:
    """Close a connection without a word to the other side, which may not listen."""
    kept.connection = None
    connection.collect()


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
