"""Names of the tasks, as they are in messages: a worker of another release knows them by these. Migrations have their
own: what a migration does never changes.
"""

SCAN = "worker.scan"
SCAN_GROUP = "worker.scan_group"
"""Sent to the queues of engines, and run by their workers."""

RECORD = "scaggr.record"
RECORD_GROUP = "scaggr.record_group"
ANNOUNCE = "scaggr.announce"
"""Sent by workers, and run by the result collector."""

DISPATCH = "scaggr.dispatch"

CANARY_OUT = "scaggr.canary_out"
CANARY_HOME = "scaggr.canary_home"

HEARTBEAT = "scaggr.heartbeat"
PRUNE = "scaggr.prune"
REFRESH_ENGINES = "scaggr.refresh_engines"
EXPIRE_RUNS = "scaggr.expire_runs"
"""Sent by beat."""
