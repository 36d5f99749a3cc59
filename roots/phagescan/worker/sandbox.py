"""Runs engines in processes of their own, one for each engine, so that nothing that a sample does to an engine matters.

A process lives long, and scans in forks of itself: whatever a sample did to one is gone with it. It is replaced, when
it is next needed, after a failure of its own.
"""

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO, Any, cast

from worker.answers import (
    Answer,
    ChildError,
    ChildTimeoutError,
    EngineError,
    EngineTimeoutError,
    text,
    trouble,
    understood,
)
from worker.child import LONGEST, OUT_OF_MEMORY, crash

PROGRAM = Path(__file__).with_name("child.py")
TIMEOUT = 60
MEMORY = 1024

ENVIRONMENT = {"LANG": "C.UTF-8", "PYTHONDONTWRITEBYTECODE": "1", "LD_BIND_NOW": "1"}
"""Of the processes. What the linker has bound at their start it does not look for again in each fork."""

KILLED = crash(-signal.SIGKILL)

GRACE = 2.0
"""Seconds that a process which closed its pipe has to end by itself, so that it can be said why."""

OVERTIME = 5.0
"""Seconds that a process has to end a scan that takes too long, before it is ended itself."""


class Child:
    """The process of an engine. Whoever gets a ChildError from it has to end it."""

    def __init__(self, engine: str, options: Mapping[str, Any], members: int | None = None) -> None:
        """Start the process and have it load the engine; its first answer says what it is. `members` is the pipe that
        its forks may write to besides.
        """
        self.memory = int(options.get("memory", MEMORY))
        self.timeout = float(options.get("timeout", TIMEOUT))
        self.received = bytearray()
        self.requests = 0
        self.asked = ""
        self.loaded = False
        self.process = subprocess.Popen(
            [sys.executable, "-I", str(PROGRAM)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            bufsize=0,
            cwd="/",
            env=ENVIRONMENT,
            start_new_session=True,
            pass_fds=[] if members is None else [members],
        )
        # Both are pipes.
        self.stdin, self.stdout = cast("IO[bytes]", self.process.stdin), cast("IO[bytes]", self.process.stdout)
        self.poll = select.poll()
        self.poll.register(self.stdout, select.POLLIN)
        more = {"parent": os.getpid(), "samples": tempfile.gettempdir(), "members": members}
        self.send(engine=engine, options=dict(options), memory=self.memory, **more)

    def ask(self, **request: Any) -> None:
        """Ask for something that a fork does within the engine's timeout. There is one request at a time."""
        if self.spoiled():
            raise ChildError(self.end(GRACE) if self.closed() else "it said what it was not asked")
        self.send(timeout=self.timeout, **request)

    def send(self, **request: Any) -> None:
        """Send a request; it is small enough never to wait."""
        self.requests += 1
        self.asked = str(self.requests)
        try:
            self.stdin.write(json.dumps({"id": self.asked, **request}).encode() + b"\n")
        except OSError:
            raise ChildError(self.end(GRACE)) from None

    def answer(self, timeout: float) -> dict[str, Any] | None:
        """Wait for the answer; None when there is none yet."""
        deadline = time.monotonic() + timeout
        while b"\n" not in self.received:
            if not self.events(max(0.0, deadline - time.monotonic())):
                return None
            if not (piece := os.read(self.stdout.fileno(), 1 << 16)):
                raise ChildError(self.end(GRACE))
            self.received += piece
            # As text in JSON within JSON, a byte that a fork said may be six.
            if len(self.received) > 8 * LONGEST:
                raise ChildError("its answer is too long")
        line, _, more = self.received.partition(b"\n")
        values = understood(line)
        if more or values.pop("id", None) != self.asked:
            raise ChildError("its answer is not what it was asked")
        self.received.clear()
        self.asked = ""
        return self.outcome(values)

    def outcome(self, values: dict[str, Any]) -> dict[str, Any]:
        """Return what a fork said, or what the process says of itself when it has loaded the engine."""
        if "timed_out" in values:
            raise EngineTimeoutError(f"timed out after {self.timeout:g} s")
        if "said" in values:
            values = understood(values["said"]) or {"error": "its answer is not understood"}
        if error := values.get("error"):
            error = f"{error} (limit {self.memory} MiB)" if error == OUT_OF_MEMORY else text(error)
            raise (EngineError if self.loaded else ChildError)(error)
        self.loaded = True
        return values

    def wait(self, timeout: float) -> dict[str, Any]:
        """Return the answer, which has to come in time."""
        answer = self.answer(timeout)
        if answer is None:
            raise ChildTimeoutError(f"timed out after {self.timeout:g} s")
        return answer

    def spoiled(self) -> bool:
        """Tell whether it has ended, or said something that it was not asked. What it would answer is not believed."""
        if self.stdout.closed:
            return True
        events = self.events(0)
        return bool(events & select.POLLHUP or (events and not self.asked))

    def closed(self) -> bool:
        """Tell whether it will never say anything more."""
        return self.stdout.closed or bool(self.events(0) & select.POLLHUP)

    def events(self, timeout: float) -> int:
        """Wait until there is something to read; nothing comes of it when there is not."""
        return next((events for _, events in self.poll.poll(timeout * 1000)), 0)

    def end(self, grace: float = 0.0) -> str:
        """End the process, if it has not ended, and its fork. Return how it ended."""
        if self.process.returncode is None:
            # Until it is waited for, no other process can have its number or that of its group.
            deadline = time.monotonic() + grace
            which = os.P_PID, self.process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT
            while os.waitid(*which) is None and time.monotonic() < deadline:
                time.sleep(0.01)
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
        code = self.process.wait()
        self.stdin.close()
        self.stdout.close()
        return crash(code)


class Sandbox:
    """An engine, as seen from the process that runs the task."""

    def __init__(self, engine: str, options: Mapping[str, Any]) -> None:
        """Take the engine's table of worker.toml. Nothing is started yet."""
        self.engine, self.options = engine, options
        self.child: Child | None = None
        self.version, self.kind, self.warning = "", "evilness", ""
        self.finds_eicar = False
        self.missing: list[str] = []

    def scan(self, path: Path) -> Answer:
        """Scan a file. Whatever happens to the engine, there is an answer."""
        return scan_all({self.engine: self}, path)[self.engine]

    def answer(self, values: dict[str, Any], duration: float) -> Answer:
        """Return what a fork says as the answer."""
        infected = values.get("infected")
        self.version = text(values.get("version", self.version))
        return Answer(
            outcome="described" if infected is None else "infected" if infected else "clean",
            name=text(values.get("name", "")),
            engine_version=self.version,
            metadata={text(key): text(value) for key, value in dict(values.get("metadata", {})).items()},
            duration=duration,
        )

    def failure(self, error: Exception, duration: float) -> Answer:
        """Return what went wrong as the answer, without a process that is of no more use."""
        if isinstance(error, ChildError | OSError):
            self.stop()
        outcome = "timed_out" if isinstance(error, ChildTimeoutError | EngineTimeoutError) else "error"
        message = trouble(error) if isinstance(error, OSError) else str(error)
        return Answer(outcome, error=message, engine_version=self.version, duration=duration)

    def warm_up(self) -> Child:
        """Start the process, and let it load the engine in its own time. One that is spoiled is replaced."""
        if self.child and self.child.spoiled():
            self.stop()
        if self.child is None:
            self.child = Child(self.engine, self.options)
        return self.child

    def start(self) -> Child:
        """Have a process that has loaded the engine, and know what the engine is."""
        child = self.warm_up()
        if not child.loaded:
            hello = child.wait(child.timeout)
            self.version, self.kind = text(hello["version"]), text(hello.get("kind", self.kind))
            self.finds_eicar, self.warning = bool(hello.get("finds_eicar")), text(hello.get("warning", ""))
            self.missing = [text(lack) for lack in hello.get("missing", ())]
        return child

    def self_test(self) -> None:
        """Have the engine test itself. ChildError, EngineError and OSError say what is wrong."""
        try:
            child = self.start()
            child.ask(do="self_test")
            self.version = text(child.wait(child.timeout + OVERTIME)["version"])
        except (ChildError, OSError, KeyError):
            self.stop()
            raise

    def stop(self) -> None:
        """End the process."""
        if self.child:
            self.child.end()
            self.child = None


class Scan:
    """One engine's scan of a file, until there is an answer."""

    def __init__(self, box: Sandbox) -> None:
        """Have the engine loaded, which takes none of the scan's time."""
        self.box = box
        self.answer: Answer | None = None
        self.begin = time.monotonic()
        self.attempt(self.load)

    def attempt(self, step: Callable[[], None]) -> None:
        """Take a step; the answer is what it fails with."""
        try:
            step()
        except (ChildError, EngineError, OSError, TypeError, ValueError, RecursionError) as error:
            self.answer = self.box.failure(error, time.monotonic() - self.begin)

    def load(self) -> None:
        """Have the process that is to be asked."""
        self.child = self.box.start()

    def ask(self, path: Path) -> None:
        """Ask for the scan. From now on its time runs."""
        self.begin = time.monotonic()
        self.deadline = self.begin + self.child.timeout + OVERTIME
        self.attempt(lambda: self.child.ask(do="scan", path=str(path)))

    def collect(self) -> None:
        """Take the answer when it is there. It has to be there at the deadline."""
        now = time.monotonic()
        values = self.child.wait(0.0) if now >= self.deadline else self.child.answer(0.0)
        if values is not None:
            self.answer = self.box.answer(values, now - self.begin)


def scan_all(boxes: Mapping[str, Sandbox], path: Path) -> dict[str, Answer]:
    """Have several engines scan a file at the same time. Each has an answer, as if it were alone.

    A process that was killed gets a second chance: that is done from outside, and says nothing of the sample.
    """
    answers = scan_once(boxes, path)
    killed = {name: boxes[name] for name, answer in answers.items() if answer.error == KILLED}
    return answers | scan_once(killed, path) if killed else answers


def scan_once(boxes: Mapping[str, Sandbox], path: Path) -> dict[str, Answer]:
    """Have each engine scan a file once."""
    for box in boxes.values():
        # Those that are not loaded load at the same time; what is wrong with one is found where it is waited for.
        with contextlib.suppress(OSError):
            box.warm_up()
    scans = {name: Scan(box) for name, box in boxes.items()}
    for scan in scans.values():
        if scan.answer is None:
            scan.ask(path)
    while under_way := [scan for scan in scans.values() if scan.answer is None]:
        poll = select.poll()
        for scan in under_way:
            poll.register(scan.child.stdout, select.POLLIN)
        poll.poll(max(0.0, min(scan.deadline for scan in under_way) - time.monotonic()) * 1000)
        for scan in under_way:
            scan.attempt(scan.collect)
    return {name: scan.answer for name, scan in scans.items() if scan.answer is not None}
