"""What the master remembers: samples, the runs that scanned them and their verdicts, and its own machinery."""

from scaggr.models.engines import ApprovedEngine, Engine
from scaggr.models.health import Canary, Heartbeat
from scaggr.models.nodes import Node, TaskState, WorkerState
from scaggr.models.samples import Sample, ScanRun, Verdict
from scaggr.models.tokens import ApiToken

__all__ = [
    "ApiToken",
    "ApprovedEngine",
    "Canary",
    "Engine",
    "Heartbeat",
    "Node",
    "Sample",
    "ScanRun",
    "TaskState",
    "Verdict",
    "WorkerState",
]
