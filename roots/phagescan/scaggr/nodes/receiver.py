"""Events for the camera. Celery's own ends when the broker is not there yet or goes away, and at an event that is
odd.
"""

import time
from contextlib import suppress
from typing import Any

from celery.events import EventReceiver
from celery.utils.log import get_logger
from kombu import Connection

from scaggr.nodes.logins import heard_of
from shared import events, refusal
from shared.text import clip

logger = get_logger(__name__)

TEXTS = {
    *("type", "hostname", "uuid", "name", "args", "kwargs", "result", "exception", "traceback", "eta", "expires"),
    *("root_id", "parent_id", "queue", "exchange", "routing_key", "sw_ident", "sw_ver", "sw_sys"),
}
NUMBERS = {"timestamp", "clock", "pid", "freq", "active", "processed", "retries", "runtime"}
"""What Celery's events consist of, save `utcoffset`: a timestamp counts from 1970, whatever the time zone. It would
make an attribute of whatever else one holds.
"""

TEXT_LENGTH = 2000
HIGHEST = 2**53
NUMBER = (int, float)
"""What a number is; what is none (NaN), or infinite, is not between any others."""


class Receiver(EventReceiver):
    """Receives events from whenever the broker is there."""

    def __init__(self, channel: Any, *args: Any, **kwargs: Any) -> None:
        """Take a channel, or a connection that need not be open."""
        if isinstance(channel, Connection):
            with suppress(*channel.connection_errors):
                refusal.connect(channel)
            channel.ensure_connection(self.on_connection_error)
        super().__init__(channel, *args, **kwargs)

    def create_connection(self) -> Connection:
        """Begin with a new connection each time."""
        return self.app.connection_for_read()

    def _receive(self, body: Any, message: Any, **_: Any) -> None:
        """Take the events of a message. One that is none costs itself, and so does one in the name of another's
        node.
        """
        login = message.properties.get("user_id") if message else None
        for event in body if isinstance(body, list) else [body]:
            try:
                fitting = fit(event)
                if heard_of(str(fitting.get("hostname")), login):
                    self.process(*self.event_from_message(fitting))
            except Exception as error:  # noqa: BLE001
                logger.warning("an event is of no use: %s: %.200s", type(error).__name__, error)

    def capture(self, *args: Any, **kwargs: Any) -> None:
        """Capture events, and come back after each loss of the broker."""
        losses = self.connection.connection_errors
        while True:
            try:
                return super().capture(*args, **kwargs)
            except losses as error:
                logger.warning("the broker went away, waiting for it: %s", error)


class Events(events.Events):
    """The events of the master, where they are received as well."""

    receiver_cls = "scaggr.nodes.receiver:Receiver"


def fit(event: dict[str, Any]) -> dict[str, Any]:
    """Return what an event may say, and as it may say it."""
    fitting: dict[str, Any] = {}
    for key, value in event.items():
        if key in TEXTS:
            if isinstance(value, str):
                fitting[key] = clip(value, TEXT_LENGTH)
        elif key in NUMBERS and isinstance(value, NUMBER) and -HIGHEST < value < HIGHEST:
            fitting[key] = value
    # An event of tomorrow would be the newest until then, and outlast all others.
    if "timestamp" in fitting:
        fitting["timestamp"] = min(fitting["timestamp"], time.time())
    return fitting
