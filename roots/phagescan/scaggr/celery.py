"""The Celery application of every node, and of every command that sends a task."""

import os
from functools import cached_property

from celery import Celery


class Application(Celery):
    """Celery whose nodes bear the plain names of the manual, and whose camera outlives the broker."""

    events_cls = "scaggr.events:Events"

    node = "celery"
    """The name of the node that this process is part of; a worker sets it."""

    @cached_property
    def Worker(self) -> type:  # noqa: N802
        """The class of the workers."""
        return self.subclass_with_self("scaggr.celeryd:Worker")


app = Application("scaggr")

# Read at once: the configurations of the master's nodes set up Django, which is needed by what is imported next. A scan
# worker has no Django, and names its own configuration.
app.config_from_object(os.environ.get("CELERY_CONFIG_MODULE", "masterceleryconfig"), force=True)
