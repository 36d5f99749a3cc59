"""Shows, every minute, that scans work: each process of the pool tests its engines, and has them scan two files.

It goes through the pool as a scan does. What a sample has done to a process of the pool, or what this host is short of,
shows within a minute, and the engines with a problem are given no samples.
"""

import time
from functools import partial
from typing import Any

from engines import EICAR, HARMLESS
from shared.conf import load
from worker import fetch
from worker.answers import ChildError, EngineError, trouble
from worker.sandbox import OVERTIME, TIMEOUT, Sandbox
from worker.tasks import sandbox

EVERY = 60.0
EVERY_WHEN_BROKEN = 10.0

State = dict[str, str]
"""An engine's `name`, `kind`, `version`, `problem` (empty when it works), `warning` (what it works without), and what
its confinement is `missing`.
"""


def probe() -> list[State]:
    """Return how the engines are, in the process of the pool that this runs in."""
    return [state(name) for name in load("worker")["engines"]]


def state(name: str) -> State:
    """Return how one engine is."""
    box = sandbox(name)
    try:
        box.self_test()
        found = problem(box)
    except OSError as error:
        found = trouble(error)
    except (ChildError, EngineError, KeyError) as error:
        found = str(error) or type(error).__name__
    return {
        "name": name,
        "kind": box.kind,
        "version": box.version,
        "problem": found,
        "warning": box.warning,
        "missing": ", ".join(box.missing),
    }


def problem(box: Sandbox) -> str:
    """Return what is wrong with what an engine says of two files whose answers are known."""
    for content, infected in ((HARMLESS, False), (EICAR, True)):
        name = "the EICAR test file" if infected else "a harmless text"
        with fetch.private_file() as (file, path):
            file.write(content)
            file.flush()
            answer = box.scan(path)
        if answer.error:
            return f"cannot scan {name}: {answer.error}"
        if answer.outcome == "infected" and not infected:
            return f"takes {name} for {answer.name}"
        if infected and box.finds_eicar and answer.outcome != "infected":
            return f"does not find {name}"
    return ""


def patience(options: dict[str, dict[str, Any]]) -> float:
    """Return how many seconds a probe may take: each process of the pool may be in the middle of a scan."""
    slowest = max((float(table.get("timeout", TIMEOUT)) for table in options.values()), default=0.0)
    return fetch.PATIENCE + 2 * (slowest + OVERTIME)


class Probes:
    """Sends a probe to each process of the pool, and keeps what they find. Nothing here waits."""

    def __init__(self, options: dict[str, dict[str, Any]]) -> None:
        """Take the engines' tables of worker.toml. A probe is due at once."""
        self.names, self.timeout = list(options), patience(options)
        self.engines: list[State] = []
        self.heard: list[list[State]] = []
        self.lost = ""
        self.round = self.waiting = 0
        self.due = 0.0

    def tick(self, pool: Any) -> None:
        """Go on: probe the pool when that is due, or when it has not answered in time."""
        if time.monotonic() < self.due:
            return
        if self.waiting:
            self.engines = self.broken(f"the pool has scanned nothing for {self.timeout:g} s")
        self.round += 1
        self.heard, self.lost, self.waiting = [], "", pool.num_processes
        self.due = time.monotonic() + self.timeout
        # A process that is at one of them takes no other.
        for _ in range(self.waiting):
            hear, lose = partial(self.hear, self.round), partial(self.lose, self.round)
            pool.apply_async(probe, (), callback=hear, error_callback=lose)

    def begin_again(self) -> None:
        """Send once more what is not answered: with a lost connection the pool throws away what no process has begun
        (billiard's AsynPool.flush, called by Celery's Consumer.on_close), and nothing would come of it.
        """
        if self.waiting:
            self.round += 1
            self.waiting, self.due = 0, 0.0

    def hear(self, of: int, found: list[State]) -> None:
        """Take what a process has found."""
        if of == self.round:
            self.heard.append(found)
            self.finish()

    def lose(self, of: int, error: Any) -> None:
        """Take it that a process ended before it had found anything."""
        if of == self.round:
            self.lost = str(getattr(error, "exception", error))
            self.finish()

    def finish(self) -> None:
        """When all have answered, keep for each engine the first that has a problem with it."""
        self.waiting -= 1
        if self.waiting:
            return
        found = [max(states, key=lambda state: bool(state["problem"])) for states in zip(*self.heard, strict=True)]
        self.engines = found or self.broken(self.lost)
        broken = any(state["problem"] for state in self.engines)
        self.due = time.monotonic() + (EVERY_WHEN_BROKEN if broken else EVERY)

    def broken(self, problem: str) -> list[State]:
        """Return the engines with one problem in common, and what was known of them before."""
        known = {state["name"]: state for state in self.engines}
        unknown = {"kind": "evilness", "version": "", "warning": "", "missing": ""}
        return [unknown | known.get(name, {}) | {"name": name, "problem": problem} for name in self.names]
