"""A scan worker, on this host or another: it needs the broker, and neither Django's settings nor the database."""

from scaggr.celeryconf import *  # noqa: F403
from scaggr.celeryconf import broker_url_of
from scaggr.conf import load

BROKER_CONF = load("worker")["broker"]

broker_url = broker_url_of(BROKER_CONF)
task_default_queue = "worker"
