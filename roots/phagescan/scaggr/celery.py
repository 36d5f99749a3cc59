"""The Celery application of every node, and of every command that sends a task."""

import os
from functools import cached_property

import django
from celery import Celery
from django.apps import apps


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

# The master's nodes, the camera and manage.py have Django. A scan worker has not, and names its own configuration.
if "DJANGO_SETTINGS_MODULE" in os.environ and not apps.apps_ready:
    django.setup()
app.config_from_object(os.environ.get("CELERY_CONFIG_MODULE", "masterceleryconfig"))
