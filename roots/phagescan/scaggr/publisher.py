"""Sends tasks to the broker, and does not wait for one that is away: an upload ends well without it."""

import threading
from typing import Any

from amqp.exceptions import AMQPError, MessageNacked
from kombu import Connection
from kombu.exceptions import KombuError

from scaggr.celery import app

BROKER_ERRORS = (OSError, AMQPError, KombuError, MessageNacked)
"""What goes wrong between here and the broker."""

CONNECT_TIMEOUT = 3.0
ANSWER_TIMEOUT = 5.0

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
    connection = app.connection_for_write(
        connect_timeout=CONNECT_TIMEOUT,
        transport_options={"read_timeout": ANSWER_TIMEOUT, "write_timeout": ANSWER_TIMEOUT},
    )
    try:
        connection.connect()
        send(connection, task, options)
    except BROKER_ERRORS:
        forget(connection)
        raise
    kept.connection = connection


def send(connection: Connection, task: str, options: dict[str, Any]) -> None:
    """Send a task over a connection, and wait until the broker confirms it."""
    if not connection.connected:
        raise ConnectionResetError("the connection is gone")
    app.send_task(task, connection=connection, retry=False, confirm_timeout=ANSWER_TIMEOUT, **options)


def forget(connection: Connection) -> None:
    """Close a connection without a word to the other side, which may not listen."""
    kept.connection = None
    connection.collect()
