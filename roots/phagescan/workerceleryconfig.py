"""A scan worker, on this host or another: it needs broker and master, and neither Django's settings nor the
database.
"""

import warnings

from celery.exceptions import CPendingDeprecationWarning

from shared.celeryconf import *  # noqa: F403
from shared.celeryconf import broker_options_of, broker_ssl_of, broker_url_of
from shared.conf import ConfError, load
from shared.queues import engine_queue, group_queue

CONF = load("worker")
BROKER_CONF = CONF["broker"]
if not CONF["engines"]:
    raise ConfError("worker.toml names no engine: list some in pillar, and run salt-call --local state.highstate")

broker_url = broker_url_of(BROKER_CONF)
broker_transport_options = broker_options_of(BROKER_CONF)
broker_use_ssl = broker_ssl_of({**BROKER_CONF, "ca_certs": CONF["ca_certs"]})
imports = ["worker.tasks", "worker.announce"]

# Two queues for each engine: for messages that ask it alone, and for those that ask a group that begins with it. They
# hang on the default exchange, which Celery would replace by one named like the default queue.
task_queues = [queue(name) for name in CONF["engines"] for queue in (engine_queue, group_queue)]
task_default_exchange = ""
task_default_queue = "worker"
task_create_missing_queues = False

worker_concurrency = CONF["scan"]["concurrency"]

# A scan goes on when the connection is lost: its verdict is sent when the broker is back, and counts. Cancelled, it
# would begin again, and the master would count that as one more worker that the sample has killed.
worker_cancel_long_running_tasks_on_connection_loss = False
warnings.simplefilter("ignore", CPendingDeprecationWarning)
