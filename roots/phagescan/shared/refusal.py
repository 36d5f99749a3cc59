"""A broker that refuses a login: waited for, as one that is away is."""

import time
from collections.abc import Callable

from celery.utils.log import get_logger
from kombu import Connection

logger = get_logger(__name__)

TRIES = 10
PAUSE = 2.0
"""Seconds between two tries."""


def connect(connection: Connection, between: Callable[[], None] = lambda: None) -> None:
    """Connect, and try again for a while where the login is refused; `between` is called before each pause.

    A process that ends instead is started again at once, with all that it loads, and reads what the settings say now.
    For a handful of services and a password that stays wrong, that takes every processor there is. So the refusal is
    raised in the end, and not before. Whatever else goes wrong is raised at once.
    """
    for left in reversed(range(TRIES)):
        try:
            connection.connect()
        except connection.channel_errors as refusal:
            if not left:
                raise
            logger.error("the broker refuses the login, trying again: %s", refusal)
            between()
            time.sleep(PAUSE)
        else:
            return
