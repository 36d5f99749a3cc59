"""Events that wait for the broker: Celery's own camera ends when the broker is not there yet, or goes away."""

from typing import Any

from celery.app import events
from celery.events import EventReceiver
from celery.utils.log import get_logger
from kombu import Connection

logger = get_logger(__name__)


class Receiver(EventReceiver):
    """Receives events from whenever the broker is there."""

    def __init__(self, channel: Any, *args: Any, **kwargs: Any) -> None:
        """Take a channel, or a connection that need not be open."""
        if isinstance(channel, Connection):
            channel.ensure_connection(self.on_connection_error)
        super().__init__(channel, *args, **kwargs)

    def create_connection(self) -> Connection:
        """Begin with a new connection each time."""
        return self.app.connection_for_read()

    def capture(self, *args: Any, **kwargs: Any) -> None:
        """Capture events, and come back after each loss of the broker."""
        losses = self.connection.connection_errors
        while True:
            try:
                return super().capture(*args, **kwargs)
            except losses as error:
                logger.warning("the broker went away, waiting for it: %s", error)


class Events(events.Events):
    """The events of the application."""

    receiver_cls = "scaggr.events:Receiver"
