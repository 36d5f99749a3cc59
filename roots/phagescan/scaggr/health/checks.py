"""How each part of the master is, by what it does: what `manage.py status` reports. Nothing is started or changed."""

import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any

import django.db
from django.conf import settings
from django.db.models import Max, Model
from django_celery_beat.models import PeriodicTask

from scaggr.health.canary import database_place, duration
from scaggr.health.status import QUEUES
from scaggr.models import Engine, Heartbeat, Node, Sample, ScanRun, WorkerState
from scaggr.scanning.engines import engine_queues
from scaggr.scanning.storage import samples
from shared import clock
from shared.app import app
from shared.broker import BROKER_ERRORS, depths
from shared.parts import TIMEOUT, DegradedError, Part, PartError, excuse, log_in, look, startup, unknown
from shared.tasks import HEARTBEAT
from shared.text import brief

NODE_HEARTBEAT = 2.0
"""Seconds between two events that Celery's nodes send of themselves."""

GRACE = timedelta(seconds=10)
"""What a busy host may be late."""

NODE_STARTUP = 20.0
"""Seconds until a node answers that was started with the rest of the host, or whose broker was started."""

NOT_ASKED = {name: unknown(f"the {name} is broken") for name in ("broker", "database")}

NODES = {name: f"master.{name}" for name in QUEUES}
"""Who takes from each of the master's queues."""


class Master:
    """A look at the master. What one part shows of another is kept until it is needed."""

    def __init__(self, nodes: Iterable[str], frequency: float) -> None:
        """Take the nodes that should answer, and how many seconds the camera leaves between two snapshots."""
        self.nodes = list(nodes)
        self.frequency = frequency
        self.answers: dict[str, bool] = {}
        self.engines: list[Engine] = []
        self.oldest: datetime | None = None

    def parts(self) -> dict[str, Part]:
        """Look at every part; without nodes at broker and database only. Broker and database are not waited for in
        turn.
        """
        with ThreadPoolExecutor() as pool:
            broker = pool.submit(self.at_broker)
            parts = self.at_database()
            parts = broker.result() | parts
        if not self.nodes:
            return {name: parts[name] for name in ("broker", "database")}
        parts["queues"] = look(self.queues) if parts["broker"]["ok"] else NOT_ASKED["broker"]
        self.excuse(parts)
        return parts

    def excuse(self, parts: dict[str, Part]) -> None:
        """Report a silent node, or the broker, in place of what cannot be known without them."""
        silent = [node for node in self.nodes if not self.answers.get(node)]
        for name, needed in {
            "camera": silent if silent == self.nodes else (),
            "beat": [NODES["periodic"]],
            "engines": [NODES["results"], *(engine.worker for engine in self.engines)],
        }.items():
            if not parts["broker"]["ok"]:
                excuse(parts, name, "the broker is broken")
            elif missing := set(needed).intersection(silent):
                excuse(parts, name, f"{min(missing)} does not answer")

    # what the broker knows

    def at_broker(self) -> dict[str, Part]:
        """Log in, and ask the nodes."""
        connection = None

        def broker() -> str:
            nonlocal connection
            connection, said = log_in(settings.BROKER_CONF)
            try:
                # To no queue: a broker that is short of memory or disk takes no message, and does not say so.
                app.amqp.Producer(connection).publish({}, routing_key="of-no-queue", confirm_timeout=TIMEOUT)
            except BROKER_ERRORS as error:
                raise PartError(
                    f"{said}, but it takes no message ({brief(error)}): is it short of memory or disk?"
                ) from error
            return said

        found = {"broker": look(broker)}
        try:
            if found["broker"]["ok"] and self.nodes:
                with suppress(*BROKER_ERRORS):
                    self.ping(connection)
        finally:
            if connection:
                connection.collect()
        return found | {name: look(self.node, name) if self.answers else NOT_ASKED["broker"] for name in self.nodes}

    def ping(self, connection: Any) -> None:
        """Ask all nodes at once, and note which of them answer."""
        self.answers = dict.fromkeys(self.nodes, False)
        asked = {"destination": self.nodes, "timeout": TIMEOUT, "limit": len(self.nodes), "connection": connection}
        for reply in app.control.ping(**asked):
            self.answers |= dict.fromkeys(reply, True)

    def node(self, name: str) -> str:
        """Say whether a node answered."""
        if not self.answers[name]:
            raise PartError(f"does not answer within {TIMEOUT:g} s", startup=startup(NODE_STARTUP, name))
        return "answers"

    def queues(self) -> str:
        """Say how many messages wait. A queue that no node empties is a fault, unless its node's silence explains
        it.
        """
        nodes = {name: [node] for name, node in NODES.items()} | engine_queues(self.engines)
        try:
            found = depths(nodes, TIMEOUT)
        except BROKER_ERRORS as error:
            raise PartError(brief(error)) from error
        for name, (waiting, consumers) in found.items():
            if not consumers and all(self.answers.get(node, True) for node in nodes[name]):
                said = f"queue {name} has no consumer, and {waiting} messages wait"
                raise PartError(said, nodes[name][0], startup(NODE_STARTUP, *nodes[name]))
        said = ", ".join(f"{name} {waiting}" for name, (waiting, _) in found.items())
        if self.oldest and not clock.is_recent(self.oldest, timedelta(seconds=settings.SCAN_EXPIRES / 2)):
            raise PartError(f"a scan waits for {clock.ago(self.oldest)}; messages: {said}")
        return f"messages: {said}"

    # what the database knows

    def at_database(self) -> dict[str, Part]:
        """Ask as the application's role, and look at what the others have written there lately."""
        probes = {"database": self.database, "camera": self.camera, "beat": self.beat, "clocks": self.clocks}
        probes |= {"engines": self.announced, "samples": samples}
        found = dict.fromkeys(probes, NOT_ASKED["database"])
        for name, probe in probes.items():
            found[name] = look(serves, probe)
            if not found["database"]["ok"]:
                break
        django.db.connection.close()
        return found

    def database(self) -> str:
        """Ask something, and keep what others are judged by."""
        begin = time.perf_counter()
        Sample.objects.exists()
        took = time.perf_counter() - begin
        self.engines = list(Engine.objects.all())
        self.oldest = (
            ScanRun.objects.filter(finished_at=None).order_by("created_at").values_list("created_at", flat=True).first()
        )
        return f"{settings.DATABASES['default']['USER']} asked {database_place()} in {duration(took)}"

    def camera(self) -> str:
        """Say how old the last snapshot is: of nodes that send events of themselves it takes one after the other."""
        last = latest(WorkerState, "last_heartbeat")
        limit = 3 * (self.frequency + NODE_HEARTBEAT)
        said = f"last snapshot {clock.ago(last)} old" if last else "has taken no snapshot"
        if not clock.is_recent(last, timedelta(seconds=limit)):
            raise PartError(said, startup=startup(NODE_STARTUP + limit, *self.nodes))
        return said

    def beat(self) -> str:
        """Say when beat sent its last task, and when its heartbeat was run."""
        tasks = PeriodicTask.objects.filter(enabled=True, interval__isnull=False).select_related("interval")
        every = {task.task: task.interval.schedule.run_every for task in tasks}
        if HEARTBEAT not in every:
            raise PartError(f"the periodic task {HEARTBEAT} is turned off: turn it on in the Admin UI")
        runs = [task.last_run_at for task in tasks if task.last_run_at]
        sent = max((run for run in runs if not clock.is_ahead(run)), default=None)
        limit = 2 * min(every.values()) + GRACE
        if sent is None or not clock.is_recent(sent, limit):
            since = " since the clock, which was ahead, was set back" if runs else ""
            raise late_beat(f"sent its last task {clock.ago(sent)} ago" if sent else f"has sent no task{since}", limit)
        ran = latest(Heartbeat, "ran_at")
        limit = 2 * every[HEARTBEAT] + GRACE
        if ran is None or not clock.is_recent(ran, limit):
            raise late_beat(f"sends tasks, but {HEARTBEAT} ran {f'{clock.ago(ran)} ago' if ran else 'never'}", limit)
        return f"sent a task {clock.ago(sent)} ago, and one ran {clock.ago(ran)} ago"

    def clocks(self) -> str:
        """Say whose clock differs, and that this host's was ahead. Neither keeps a scan from its end."""
        workers = {engine.worker for engine in self.engines}
        clocks = Node.objects.filter(hostname__in=workers, clock__isnull=False).values_list("hostname", "clock")
        wrong = (f"that of {node} is {said}" for node, offset in clocks if (said := clock.apart(offset)))
        ahead = Heartbeat.objects.aggregate(last=Max("ran_at"))["last"]
        until = (
            [f"the clock was ahead: there are records until {ahead:%F %T} UTC"]
            if ahead and clock.is_ahead(ahead)
            else []
        )
        if found := "; ".join([*wrong, *until]):
            raise DegradedError(found)
        return "those of the workers are as this host's"

    def announced(self) -> str:
        """Say which engines work, by what their workers announced. Samples of the others wait."""
        if not self.engines:
            raise PartError("no worker has announced one: samples wait", startup=awaited(*self.nodes))
        faulty = [e for e in self.engines if e.problem or not clock.is_recent(e.announced_at, Engine.SILENCE)]
        faults = [
            (engine.worker, f"{engine}: {engine.problem or f'silent for {clock.ago(engine.announced_at)}'}")
            for engine in faulty
        ]
        warnings = [f"{engine}: {engine.warning}" for engine in self.engines if engine.warning]
        working = {engine.name for engine in self.engines if engine not in faulty}
        if faults and {engine.name for engine in faulty} <= working:
            # Others scan with the same engines.
            raise DegradedError("; ".join([*(fault for _, fault in faults), *warnings]))
        if faults:
            # A problem is no matter of time.
            silent = not any(engine.problem for engine in self.engines)
            nodes = [NODES["results"], *(worker for worker, _ in faults)]
            raise PartError("; ".join(fault for _, fault in faults), faults[0][0], awaited(*nodes) if silent else None)
        if warnings:
            raise DegradedError("; ".join(warnings))
        return ", ".join(map(str, self.engines))


def late_beat(said: str, limit: timedelta) -> PartError:
    """Return that beat is late by so much, unless it was started since: then it has as long for its first task."""
    return PartError(said, NODES["periodic"], startup(limit.total_seconds(), NODES["periodic"]))


def awaited(*nodes: str) -> dict[str, Any]:
    """Return how long after a start of these nodes an announcement may take."""
    return startup(Engine.SILENCE.total_seconds(), *nodes)


def serves(probe: Callable[[], str]) -> str:
    """Ask the database, and say what is wrong with it."""
    try:
        return probe()
    except django.db.Error as error:
        user = settings.DATABASES["default"]["USER"]
        raise PartError(f"{database_place()} does not serve {user} ({brief(error)})") from error


def latest(model: type[Model], field: str) -> datetime | None:
    """Return the latest of a model's times that is not in the future."""
    return model.objects.filter(**{f"{field}__lte": clock.horizon()}).aggregate(last=Max(field))["last"]
