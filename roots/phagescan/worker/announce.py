"""Tells the master which engines this worker has, and whether they work."""

import json
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from celery import bootsteps
from celery.utils.log import get_logger
from celery.worker.consumer import Consumer
from kombu import Connection, Producer

from scaggr.celery import app
from scaggr.conf import load
from scaggr.queues import RESULTS
from worker.sandbox import TIMEOUT, Child, ChildError, EngineError, text

logger = get_logger(__name__)

TICK = 0.5
EVERY = 10.0
EXPIRES = 60.0
TEST_EVERY = 60.0
TEST_EVERY_WHEN_BROKEN = 10.0
BROKER_TIMEOUT = 5.0

ANNOUNCED = "announced.json"
"""The last announcement, in the directory that systemd or the init script gives the service in /run."""


class Examinee:
    """An engine that is tested again and again. Nothing here waits for it: its process is asked, and looked at
    later.
    """

    def __init__(self, name: str, options: Mapping[str, Any]) -> None:
        """Take the engine's table of worker.toml. The first test is due at once."""
        self.name, self.options = name, options
        self.timeout = float(options.get("timeout", TIMEOUT))
        self.child: Child | None = None
        self.due = self.deadline = 0.0
        self.testing = False
        self.kind, self.version = "", ""
        self.problem: str | None = None

    def tick(self) -> bool:
        """Go on with the test; return whether what the master should know has changed."""
        before = (self.version, self.problem)
        try:
            if self.testing:
                self.look()
            elif time.monotonic() >= self.due:
                self.begin()
        except (ChildError, EngineError, OSError, KeyError) as error:
            self.finish(str(error) or type(error).__name__)
            self.stop()
        if self.problem != before[1] and self.problem is not None:
            (logger.error if self.problem else logger.info)("engine %s: %s", self.name, self.problem or self.version)
        return before != (self.version, self.problem)

    def begin(self) -> None:
        """Ask for a self-test, of a new process when there is none."""
        if self.child and self.child.spoiled():
            self.stop()
        self.testing, self.deadline = True, time.monotonic() + self.timeout
        if self.child:
            self.child.ask(do="self_test")
        else:
            self.child = Child(self.name, self.options)

    def look(self) -> None:
        """See whether the process has answered."""
        while self.child and (answer := self.child.answer(0)):
            if "kind" in answer:
                self.kind = text(answer["kind"])
                for lack in answer.get("missing", ()):
                    warn_once(f"engines run without a part of their confinement: {lack}")
                self.child.ask(do="self_test")
            else:
                self.version = text(answer["version"])
                return self.finish("")
        if time.monotonic() > self.deadline:
            raise ChildError(f"the self-test timed out after {self.timeout:g} s")
        return None

    def finish(self, problem: str) -> None:
        """Note how the test ended, and when the next one is due."""
        self.testing, self.problem = False, problem
        self.due = time.monotonic() + (TEST_EVERY_WHEN_BROKEN if problem else TEST_EVERY)

    def stop(self) -> None:
        """End the process; a test that was going on begins again some other time."""
        if self.child:
            self.child.end()
            self.child = None
        self.testing = False

    def state(self) -> dict[str, str]:
        """Return what the master should know."""
        return {
            "name": self.name,
            "kind": self.kind or "evilness",
            "version": self.version,
            "problem": self.problem or "",
        }


class Announcer(bootsteps.StartStopStep):
    """Part of the consumer: there is nothing to announce while no tasks can be taken."""

    requires = ("celery.worker.consumer.tasks:Tasks",)

    def __init__(self, consumer: Consumer, **kwargs: Any) -> None:
        """Have an examinee for each engine; they outlast the connections."""
        super().__init__(consumer, **kwargs)
        self.examinees = [Examinee(name, options) for name, options in load("worker")["engines"].items()]
        self.timer: Any = None
        self.connection: Connection | None = None
        self.producer: Producer | None = None
        self.due = 0.0

    def start(self, consumer: Consumer) -> None:
        """Begin, at each connection to the broker."""
        self.due = 0.0
        self.timer = consumer.timer.call_repeatedly(TICK, self.tick, (consumer.hostname,))

    def stop(self, consumer: Consumer) -> None:
        """Pause when the connection is lost."""
        if self.timer:
            self.timer.cancel()
            self.timer = None
        self.disconnect()

    def shutdown(self, consumer: Consumer) -> None:
        """End the engines' processes with the worker."""
        self.stop(consumer)
        for examinee in self.examinees:
            examinee.stop()

    def tick(self, node: str) -> None:
        """Go on with the tests, and announce when it is time or something has changed. Nothing is raised into the
        worker.
        """
        try:
            if any([examinee.tick() for examinee in self.examinees]):
                self.due = 0.0
            # What was not tested yet is not known to work, and what an announcement leaves out is taken for gone.
            tested = all(examinee.problem is not None for examinee in self.examinees)
            if tested and time.monotonic() >= self.due:
                self.due = time.monotonic() + EVERY
                engines = [examinee.state() for examinee in self.examinees]
                self.announce(node, engines)
                keep(engines)
        except Exception as error:  # noqa: BLE001
            logger.warning("could not announce the engines: %s", str(error) or type(error).__name__)
            self.disconnect()

    def announce(self, node: str, engines: list[dict[str, str]]) -> None:
        """Send one announcement, and wait for the broker no longer than for a short time."""
        if self.producer is None:
            self.connection = app.connection_for_write(connect_timeout=BROKER_TIMEOUT)
            self.connection.connect()
            self.producer = app.amqp.Producer(self.connection.channel(), auto_declare=False)
        app.send_task(
            "scaggr.announce",
            kwargs={"worker": node, "engines": engines},
            producer=self.producer,
            queue=RESULTS,
            exchange=RESULTS.exchange.name,
            routing_key=RESULTS.routing_key,
            expires=EXPIRES,
            retry=False,
            confirm_timeout=BROKER_TIMEOUT,
            ignore_result=True,
        )

    def disconnect(self) -> None:
        """Forget the connection: the next announcement makes a new one."""
        connection, self.connection, self.producer = self.connection, None, None
        if connection:
            connection.collect(socket_timeout=1.0)


def keep(engines: list[dict[str, str]]) -> None:
    """Keep what the broker has taken for worker.status, where the service has a directory for such things."""
    if folder := os.environ.get("RUNTIME_DIRECTORY"):
        path = Path(folder, ANNOUNCED)
        new = path.with_suffix(".new")
        new.write_text(json.dumps(engines))
        new.replace(path)


warned: set[str] = set()


def warn_once(message: str) -> None:
    """Log a warning, the first time only."""
    if message not in warned:
        warned.add(message)
        logger.warning(message)


app.steps["consumer"].add(Announcer)
