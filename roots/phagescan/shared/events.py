"""Events as every node sends them; what receives them is in scaggr.nodes.receiver."""

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
    """The events that a node sends."""

    dispatcher_cls = "shared.events:Dispatcher"
