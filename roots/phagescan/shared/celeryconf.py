"""What all Celery nodes have in common; the *celeryconfig.py modules in the project root add what differs.

Each node consumes one queue, named by `task_default_queue` in its own module. They are durable classic queues, which
RabbitMQ 3.10 and 4.0 both keep on disk, and which need no second broker node to be safe.
"""

import ssl
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import shared.transport  # noqa: F401  what amqp:// means from here on
from shared import tasks

# JSON only: a pickle from the broker would be code.
accept_content = ["json"]
task_serializer = "json"

# What else a message may ask of a node, see there.
worker_consumer = "shared.intake:Consumer"

# No task is lost: its message leaves the broker when the task has ended, and goes back when the worker was killed.
# A task may therefore run twice, and each is written so that this does no harm.
task_acks_late = True
task_reject_on_worker_lost = True
worker_cancel_long_running_tasks_on_connection_loss = True
worker_prefetch_multiplier = 1

# A service may start before the broker does, or outlive it.
broker_connection_retry_on_startup = True
broker_connection_max_retries = None

# Results travel as tasks to the queue results; there is no result backend.
task_ignore_result = True
result_expires = None

# Sessions with the database last, see scaggr/djangoconf.py; without this Celery opens one for each task.
CELERY_DB_REUSE_MAX = float("inf")

# The camera lives on events.
worker_send_task_events = True

task_routes = {
    tasks.CANARY_OUT: {"queue": "master"},
    tasks.DISPATCH: {"queue": "master"},
    tasks.CANARY_HOME: {"queue": "results"},
    tasks.HEARTBEAT: {"queue": "periodic"},
    tasks.EXPIRE_RUNS: {"queue": "periodic"},
    tasks.REFRESH_ENGINES: {"queue": "periodic"},
    tasks.PRUNE: {"queue": "periodic"},
}

# -B may be given to any number of nodes: one of them sends, see scaggr/nodes/beat.py.
beat_scheduler = "scaggr.nodes.beat:LockedScheduler"

timezone = "UTC"


def broker_url_of(conf: Mapping[str, Any]) -> str:
    """Return the URL of a broker from its BROKER_CONF: host, port, vhost, user, password."""
    user, password, vhost = (quote(conf[key], safe="") for key in ("user", "password", "vhost"))
    host = f"[{conf['host']}]" if ":" in conf["host"] else conf["host"]
    return f"amqp://{user}:{password}@{host}:{conf['port']}/{vhost}"


def broker_options_of(conf: Mapping[str, Any]) -> dict[str, Any]:
    """Return how a connection behaves, from a broker's BROKER_CONF: `owner` is whose the broker is, if on this host."""
    return {"confirm_publish": True, "owner": conf.get("owner", "")}


def broker_ssl_of(conf: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return how a broker that speaks TLS is verified, from its BROKER_CONF with `ca_certs`: a file, or "" for the
    system's.
    """
    if not conf.get("tls"):
        return None
    return {"cert_reqs": ssl.CERT_REQUIRED, "ca_certs": conf["ca_certs"] or None, "server_hostname": conf["host"]}
