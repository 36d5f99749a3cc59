"""The Celery application of every node, and of every command that sends a task."""

import logging
import os
from functools import cached_property
from typing import Any

from celery import Celery
from celery.signals import after_setup_logger, after_setup_task_logger

from shared.text import PrintableFilter


class Application(Celery):
    """Celery whose nodes bear the plain names of the manual, and whose camera outlives the broker."""

    events_cls = "shared.events:Events"

    node = "celery"
    """The name of the node that this process is part of; a worker sets it."""

    @cached_property
    def login(self) -> str:
        """The name of the broker's user as which messages are sent."""
        return self.connection_for_write().userid

    @cached_property
    def Worker(self) -> type:  # noqa: N802
        """The class of the workers."""
        return self.subclass_with_self("shared.celeryd:Worker")


@after_setup_logger.connect
@after_setup_task_logger.connect
def printable(logger: logging.Logger, **_: Any) -> None:
    """Make printable what is logged: workers and uploads have a say in it."""
    for handler in logger.handlers:
        handler.addFilter(PrintableFilter())


app = Application("scaggr")

# Read at once: the configurations of the master's nodes set up Django, which is needed by what is imported next. A scan
# worker has no Django, and names its own configuration.
app.config_from_object(os.environ.get("CELERY_CONFIG_MODULE", "masterceleryconfig"), force=True)
