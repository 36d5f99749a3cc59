"""Master Task: node master.master manages tasks and sends them to the workers."""

from scaggr.celeryconf import *  # noqa: F403
from scaggr.celeryconf import broker_options_of, broker_url_of
from scaggr.djangoconf import settings

broker_url = broker_url_of(settings.BROKER_CONF)
broker_transport_options = broker_options_of(settings.BROKER_CONF)
task_default_queue = "master"
imports = ["scaggr.tasks.master"]
worker_concurrency = 2
