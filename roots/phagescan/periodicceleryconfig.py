"""Periodic Runner: node master.periodic runs the periodic tasks."""

from scaggr.djangoconf import settings
from shared.celeryconf import *  # noqa: F403
from shared.celeryconf import broker_options_of, broker_url_of

broker_url = broker_url_of(settings.BROKER_CONF)
broker_transport_options = broker_options_of(settings.BROKER_CONF)
task_default_queue = "periodic"
imports = ["scaggr.tasks.periodic"]
worker_concurrency = 2
