"""The Celery application as `celery -A scaggr` finds it: the master's, whose camera receives events."""

from shared.app import app

app.events_cls = "scaggr.nodes.receiver:Events"
