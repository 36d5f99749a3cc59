"""Django's settings for the Celery configurations of the master; Django is set up where it is not yet.

The only way from a Celery configuration to Django: workerceleryconfig.py does not import this.

A node's processes keep their database sessions from task to task: a new one costs PostgreSQL 10 ms and more. So they
look at the session before each task, as Django does before each request, where Celery would open another.
"""

from typing import Any

import django
from celery.signals import beat_embedded_init, task_prerun, worker_init
from django.apps import apps
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db import close_old_connections, connections

from shared.conf import ConfError

__all__ = ["settings"]

try:
    if not apps.apps_ready:
        django.setup()
except ImproperlyConfigured as error:
    raise ConfError(str(error)) from error


@worker_init.connect
@beat_embedded_init.connect
def leave_no_session(**_: Any) -> None:
    """Close what is open where a node begins and in its beat: no two processes may speak in one session. In those of
    the pool Celery drops what they were born with.
    """
    connections.close_all()


@task_prerun.connect
def check_session(**_: Any) -> None:
    """Close a session that an error or its server's end has made useless, and have the first query try the others."""
    close_old_connections()
