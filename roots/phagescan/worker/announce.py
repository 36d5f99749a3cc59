"""Tells the master which engines this worker has, and whether scans by them work."""

import hmac
import json
import os
import time
from pathlib import Path
from typing import Any

from celery import bootsteps
from celery.utils.log import get_logger
from celery.worker.consumer import Consumer
from kombu import Connection, Producer

from shared import tasks
from shared.app import app
from shared.conf import load
from shared.queues import RESULTS
from worker.probe import Probes, State

logger = get_logger(__name__)

TICK = 0.5
EVERY = 10.0
EXPIRES = 60.0
"""Seconds that the broker keeps an announcement. It carries this host's time, to be compared with the master's."""

BROKER_TIMEOUT = 5.0

ANNOUNCED = "announced.json"
"""The last announcement, in the directory that systemd or the init script gives the service in /run."""


def host_id() -> str:
    """Return what this host has in common with itself before it was renamed, and with no other: not the machine's id,
    which is not to leave it (machine-id(5)). Nothing where it has none.
    """
    try:
        known = Path("/etc/machine-id").read_bytes().strip()
    except OSError:
        return ""
    return hmac.digest(known, b"phagescan worker", "sha256").hex() if known else ""


HOST = host_id()


class Announcer(bootsteps.StartStopStep):
    """Part of the consumer: there is nothing to announce while no tasks can be taken."""

    requires = ("celery.worker.consumer.tasks:Tasks",)

    def __init__(self, consumer: Consumer, **kwargs: Any) -> None:
        """Have the probes, which outlast the connections."""
        super().__init__(consumer, **kwargs)
        self.probes = Probes(load("worker")["engines"])
        self.known: list[State] = []
        self.timer: Any = None
        self.connection: Connection | None = None
        self.producer: Producer | None = None
        self.due = 0.0

    def start(self, consumer: Consumer) -> None:
        """Begin, at each connection to the broker."""
        self.due = 0.0
        self.probes.begin_again()
        self.timer = consumer.timer.call_repeatedly(TICK, self.tick, (consumer.hostname, consumer.pool))

    def stop(self, consumer: Consumer) -> None:
        """Pause when the connection is lost."""
        if self.timer:
            self.timer.cancel()
            self.timer = None
        self.disconnect()

    def shutdown(self, consumer: Consumer) -> None:
        """End with the worker."""
        self.stop(consumer)

    def tick(self, node: str, pool: Any) -> None:
        """Go on with the probes, and announce when it is time or something has changed. Nothing is raised into the
        worker.
        """
        try:
            self.probes.tick(pool)
            if self.probes.engines != self.known:
                self.known, self.due = self.probes.engines, 0.0
                log(self.known)
            # What was not tested yet is not known to work, and what an announcement leaves out is taken for gone.
            if self.known and time.monotonic() >= self.due:
                self.due = time.monotonic() + EVERY
                self.announce(node, self.known)
                keep(node, self.known)
        except Exception as error:  # noqa: BLE001
            logger.warning("could not announce the engines: %s", str(error) or type(error).__name__)
            self.disconnect()

    def announce(self, node: str, engines: list[State]) -> None:
        """Send one announcement, and wait for the broker no longer than for a short time."""
        if self.producer is None:
            self.connection = app.connection_for_write(connect_timeout=BROKER_TIMEOUT)
            self.connection.connect()
            self.producer = app.amqp.Producer(self.connection.channel(), auto_declare=False)
        app.send_task(
            tasks.ANNOUNCE,
            # What a master of the release before does not know it does not look at.
            kwargs={"worker": node, "engines": [engine | {"host": HOST, "groups": True} for engine in engines]},
            producer=self.producer,
            queue=RESULTS,
            exchange=RESULTS.exchange.name,
            routing_key=RESULTS.routing_key,
            user_id=app.login,
            expiration=EXPIRES,
            timestamp=int(time.time()),
            retry=False,
            confirm_timeout=BROKER_TIMEOUT,
            ignore_result=True,
        )

    def disconnect(self) -> None:
        """Forget the connection: the next announcement makes a new one."""
        connection, self.connection, self.producer = self.connection, None, None
        if connection:
            connection.collect(socket_timeout=1.0)


def keep(node: str, engines: list[State]) -> None:
    """Keep what the broker has taken for worker.status, where the service has a directory for such things."""
    if folder := os.environ.get("RUNTIME_DIRECTORY"):
        path = Path(folder, ANNOUNCED)
        new = path.with_suffix(".new")
        new.write_text(json.dumps({"node": node, "engines": engines}))
        new.replace(path)


def log(engines: list[State]) -> None:
    """Say how the engines are, when that has changed."""
    for engine in engines:
        (logger.error if engine["problem"] else logger.info)(
            "engine %s: %s", engine["name"], engine["problem"] or engine["version"]
        )
        if engine["warning"]:
            logger.warning("engine %s works %s", engine["name"], engine["warning"])
        if engine["missing"]:
            logger.warning("engine %s runs without a part of its confinement: %s", engine["name"], engine["missing"])


app.steps["consumer"].add(Announcer)
