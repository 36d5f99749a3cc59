"""Events as every node sends them. Nothing of Django is imported here: what receives them is in scaggr.receiver."""

from functools import partial
from types import SimpleNamespace
from typing import Any

from celery.app import events
from celery.events import EventDispatcher


class Dispatcher(EventDispatcher):
    """Sends events with the sender's login, which the broker checks."""

    def _publish(self, event: Any, producer: Any, *args: Any, **options: Any) -> None:
        signed = producer and SimpleNamespace(publish=partial(producer.publish, user_id=self.app.login))
        super()._publish(event, signed, *args, **options)


class Events(events.Events):
    """The events of the application."""

    receiver_cls = "scaggr.receiver:Receiver"
    dispatcher_cls = "scaggr.events:Dispatcher"
