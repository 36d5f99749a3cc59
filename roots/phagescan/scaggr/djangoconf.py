"""Django's settings for the Celery configurations of the master; Django is set up where it is not yet.

The only way from a Celery configuration to Django: workerceleryconfig.py does not import this.
"""

import django
from django.apps import apps
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from scaggr.conf import ConfError

__all__ = ["settings"]

try:
    if not apps.apps_ready:
        django.setup()
except ImproperlyConfigured as error:
    raise ConfError(str(error)) from error
