"""Master Task: node master.master manages tasks and sends them to the workers."""

from scaggr.djangoconf import settings
from shared.celeryconf import *  # noqa: F403
from shared.celeryconf import broker_options_of, broker_url_of

broker_url = broker_url_of(settings.BROKER_CONF)
broker_transport_options = broker_options_of(settings.BROKER_CONF)
task_default_queue = "master"
imports = ["scaggr.tasks.master"]
worker_concurrency = 2
# Messages that may gather for a batch, see scaggr/nodes/batches.py.
worker_prefetch_multiplier = 50
