"""The canary: a task that flies through every part of the master, and says which one is broken when it does not return.

It goes from here to the broker, to master.master, to master.results and into the database, while the camera records
the two tasks and the nodes that ran them. Of the scan worker on this host it hears whether it can scan. Then it hands a
file in as a user does, through the proxy, and waits for the verdict (scaggr/health/visit.py).
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeVar
from uuid import uuid4

import django.db
from amqp.exceptions import AMQPError
from django.conf import settings
from django.utils import timezone
from kombu.exceptions import KombuError

from scaggr.health.visit import Door, VisitError, visit
from scaggr.models import Canary, Engine, TaskState, WorkerState
from shared import tasks
from shared.app import app
from shared.broker import depths, trouble
from shared.text import brief

NODES = {"master": "master.master", "results": "master.results"}
SERVICES = {"master": "celeryd-master", "results": "celeryd-result"}
LABELS = {**NODES, "broker": "broker", "database": "database", "camera": "camera", "worker": "scan worker"}
LABELS |= {"upload": "upload through nginx", "verdict": "verdict"}

HOPS = ("broker", "master", "results", "database", "camera", "worker", "upload", "verdict")

Answer = TypeVar("Answer")

POLL = 0.05
EXTRA_LIFE, HOME_LIFE = 15.0, 300.0
"""Seconds that the first message lasts longer than anyone waits for it, and that the second one lasts."""

WORKER_GRACE, MENDING = 60.0, 15.0
"""Seconds that a scan worker which was just started has for its first scans, and for others when these have failed."""

CAMERA_GRACE = 10.0
"""Seconds that the camera has: it takes its snapshots seldom, and writes them late when it just started."""


class BrokenError(Exception):
    """A hop did not work."""

    def __init__(self, hop: str, what: str, look: str) -> None:
        """Take what is wrong and what to look at, a line altogether."""
        super().__init__(f"{LABELS[hop]} {what}: {look}")
        self.hop = hop


@dataclass
class Flight:
    """A canary on its way, and what became of it."""

    timeout: float
    id: str = field(default_factory=lambda: str(uuid4()))
    sent_at: datetime = field(default_factory=timezone.now)
    hops: dict[str, float] = field(default_factory=dict)
    broken: str | None = None
    line: str = ""

    @property
    def passed(self) -> bool:
        """Whether every hop worked."""
        return self.broken is None


def home_id(canary: str) -> str:
    """Name the second task of a canary after the first, so that a repeated first one does not make two."""
    return f"{canary}-home"


def fly(timeout: float, worker: str = "", door: Door | None = None) -> Flight:
    """Send a canary, wait for it at every hop for `timeout` seconds, and return what became of it; `worker` is the node
    of a scan worker, `door` where a user comes in.

    A camera that was just started misses what passes before it listens. So one that saw nothing is shown a second one.
    """
    flight = fly_once(timeout, worker, door)
    return fly_once(timeout, worker, door) if flight.broken == "camera" else flight


def fly_once(timeout: float, worker: str, door: Door | None) -> Flight:
    """Send one canary and follow it."""
    flight = Flight(timeout)
    try:
        send(flight)
        wait_for_row(flight, time.monotonic() + timeout)
        wait_for_camera(flight, time.monotonic() + CAMERA_GRACE)
        if worker:
            wait_for_worker(flight, worker)
        notes = visited(flight, door) if door else {}
    except BrokenError as error:
        flight.broken, flight.line = error.hop, f"canary failed: {error}"
    else:
        order = [hop for hop in HOPS if hop in flight.hops]
        took = (f"{LABELS[hop]} {duration(flight.hops[hop])}{notes.get(hop, '')}" for hop in order)
        flight.line = "canary passed: " + ", ".join(took)
    record(flight)
    return flight


def send(flight: Flight) -> None:
    """Bring the canary to the broker, which has to confirm that it has it."""
    begin = time.perf_counter()
    try:
        with app.connection_for_write(connect_timeout=5) as connection:
            connection.connect()
            app.send_task(
                tasks.CANARY_OUT,
                args=[time.time()],
                task_id=flight.id,
                connection=connection,
                retry=False,
                confirm_timeout=flight.timeout,
                # The broker throws it away if no node takes it; until the verdict it has to be there to be counted.
                expiration=flight.timeout + EXTRA_LIFE,
            )
    except AMQPError as error:
        raise BrokenError(
            "broker", f"at {trouble(error, settings.BROKER_CONF)}", "salt-call --local phagescan.doctor"
        ) from error
    except (OSError, KombuError) as error:
        raise BrokenError(
            "broker", f"at {trouble(error, settings.BROKER_CONF)}", "service rabbitmq-server status"
        ) from error
    flight.hops["broker"] = time.perf_counter() - begin


def wait_for_row(flight: Flight, deadline: float) -> None:
    """Wait until the result collector has written the row."""

    def complete_row() -> Canary | None:
        row = Canary.objects.filter(id=flight.id).first()
        return row if row and "database" in row.hops else None

    try:
        row = poll(complete_row, deadline)
        if row:
            flight.hops.update(row.hops)
        else:
            raise where_it_stopped(flight)
    except django.db.Error as error:
        what = f"{database_place()} does not serve ({brief(error)})"
        raise BrokenError("database", what, "service postgresql status") from error


def database_place() -> str:
    """Name the database."""
    database = settings.DATABASES["default"]
    return f"{database['NAME']} at {database['HOST']}:{database['PORT']}"


def wait_for_camera(flight: Flight, deadline: float) -> None:
    """Wait until the camera has recorded both tasks with the nodes that the row names."""
    begin = time.perf_counter()
    row = Canary.objects.get(id=flight.id)
    wanted = {flight.id: row.master_node, home_id(flight.id): row.results_node}

    def recorded() -> bool:
        return dict(TaskState.objects.filter(uuid__in=wanted, state="SUCCESS").values_list("uuid", "worker")) == wanted

    if not poll(recorded, deadline):
        seen = WorkerState.objects.order_by("-last_heartbeat").values_list("last_heartbeat", flat=True).first()
        since = f"its last picture is of {seen:%Y-%m-%d %H:%M:%S} UTC" if seen else "it never took a picture"
        raise BrokenError("camera", f"did not record the flight ({since})", "supervisorctl status celerycam")
    flight.hops["camera"] = time.perf_counter() - begin


def wait_for_worker(flight: Flight, node: str) -> None:
    """Wait until the engines of a scan worker work: it scans two files every minute, and announces what came of it."""
    begin = time.monotonic()
    engines = Engine.objects.filter(worker=node)
    status = "salt-call --local phagescan.status"
    if not poll(engines.exists, begin + WORKER_GRACE):
        raise BrokenError("worker", f"{node} has announced no engine", status)
    if not poll(lambda: not engines.exclude(problem="").exists(), time.monotonic() + MENDING):
        broken = engines.exclude(problem="").first()
        why = f" ({broken.name}: {brief(broken.problem)})" if broken else ""
        raise BrokenError("worker", f"{node} cannot scan{why}", status)
    flight.hops["worker"] = time.monotonic() - begin


def visited(flight: Flight, door: Door) -> dict[str, str]:
    """Make a visit; return notes on its steps."""
    begin, notes = time.monotonic(), {}
    try:
        for hop, note in visit(door, flight.timeout):
            now = time.monotonic()
            flight.hops[hop], begin = now - begin, now
            notes[hop] = f" ({note})" if note else ""
    except VisitError as error:
        raise BrokenError(error.step, error.what, error.look) from error
    except django.db.Error as error:
        what = f"{database_place()} does not serve ({brief(error)})"
        raise BrokenError("database", what, "service postgresql status") from error
    return notes


def where_it_stopped(flight: Flight) -> BrokenError:
    """Find out which node the canary did not get past, from its queue, from the node itself, and from the camera."""
    for hop, node in NODES.items():
        status = f"service {SERVICES[hop]} status"
        waiting, consumers = depths([hop])[hop]
        if waiting or not consumers:
            what = f"did not take the message (queue {hop}: {waiting} waiting, {consumers} consumers)"
            return BrokenError(hop, what, status)
        if not app.control.ping(destination=[node], timeout=2.0):
            return BrokenError(hop, "does not answer", status)
    failure = TaskState.objects.filter(uuid__in=[flight.id, home_id(flight.id)], state="FAILURE").first()
    hop = "master" if failure and failure.uuid == flight.id else "results"
    what = f"failed at it ({brief(failure.exception)})" if failure else "took the message and wrote no row"
    return BrokenError(hop, what, f"/var/log/phagescan/{SERVICES[hop]}.log")


def record(flight: Flight) -> None:
    """Add the verdict to the canary's row, or make a row for one that did not get there."""
    verdict = {"passed": flight.passed, "line": flight.line, "hops": flight.hops, "sent_at": flight.sent_at}
    try:
        Canary.objects.update_or_create(id=flight.id, defaults=verdict)
    except django.db.Error as error:
        if flight.passed:
            flight.broken, flight.line = "database", f"canary failed: database kept no verdict ({brief(error)})"


def poll(question: Callable[[], Answer], deadline: float) -> Answer:
    """Ask until the answer is true or the time is over; return the last answer."""
    while not (answer := question()) and time.monotonic() < deadline:
        time.sleep(POLL)
    return answer


def duration(seconds: float) -> str:
    """Write a time as people read it.

    >>> duration(0.0114), duration(1.26)
    ('11 ms', '1.3 s')
    """
    return f"{seconds * 1000:.0f} ms" if seconds < 1 else f"{seconds:.1f} s"
