"""Runs engines in processes of their own, one for each engine, so that nothing that a sample does to an engine matters.

A process lives for many scans, and is replaced when it is next needed after a failure.
"""

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from worker.child import OUT_OF_MEMORY

PROGRAM = Path(__file__).with_name("child.py")
TIMEOUT = 60
MEMORY = 1024
SCANS = 1000
"""Scans of a process. Its successor starts with clean memory."""

LONGEST = 1 << 20
"""Bytes of an answer. A longer one is not from an engine of ours."""

KILLED = "crashed: SIGKILL"

GRACE = 2.0
"""Seconds that a process which closed its pipe has to end by itself, so that it can be said why."""


class ChildError(Exception):
    """The process of an engine is of no more use; the message says why."""


class ChildTimeoutError(ChildError):
    """It did not answer in time."""


@dataclass(frozen=True)
class Answer:
    """What became of a scan."""

    outcome: str
    name: str = ""
    error: str = ""
    engine_version: str = ""
    metadata: dict[str, str] = field(default_factory=dict)
    duration: float = 0.0


class Child:
    """The process of an engine. Whoever gets a ChildError from it has to end it."""

    def __init__(self, engine: str, options: Mapping[str, Any]) -> None:
        """Start the process and have it load the engine; its first answer says what it is."""
        self.memory = int(options.get("memory", MEMORY))
        self.received = bytearray()
        self.scans = 0
        self.loaded = False
        self.process = subprocess.Popen(
            [sys.executable, "-I", str(PROGRAM)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            bufsize=0,
            cwd="/",
            env={"LANG": "C.UTF-8", "TMPDIR": os.environ.get("TMPDIR", ""), "PYTHONDONTWRITEBYTECODE": "1"},
            start_new_session=True,
        )
        self.ask(engine=engine, options=dict(options), memory=self.memory, parent=os.getpid())

    def ask(self, **request: Any) -> None:
        """Send a request; it is small enough never to wait."""
        try:
            self.process.stdin.write(json.dumps(request).encode() + b"\n")
        except OSError:
            raise ChildError(self.end(GRACE)) from None

    def answer(self, timeout: float) -> dict[str, Any] | None:
        """Wait for an answer; None when there is none yet."""
        deadline = time.monotonic() + timeout
        output = self.process.stdout.fileno()
        poll = select.poll()
        poll.register(output, select.POLLIN)
        while b"\n" not in self.received:
            if not poll.poll(max(0.0, deadline - time.monotonic()) * 1000):
                return None
            if not (piece := os.read(output, 1 << 16)):
                raise ChildError(self.end(GRACE))
            self.received += piece
            if len(self.received) > LONGEST:
                raise ChildError("its answer is too long")
        line, _, self.received = self.received.partition(b"\n")
        try:
            answer = json.loads(line)
        except ValueError:
            answer = None
        if not isinstance(answer, dict):
            raise ChildError("its answer is not understood")
        if error := answer.get("error"):
            raise ChildError(f"{error} (limit {self.memory} MiB)" if error == OUT_OF_MEMORY else text(error))
        return answer

    def wait(self, timeout: float) -> dict[str, Any]:
        """Return the answer, which has to come in time."""
        answer = self.answer(timeout)
        if answer is None:
            raise ChildTimeoutError(f"timed out after {timeout:g} s")
        return answer

    def end(self, grace: float = 0.0) -> str:
        """End the process, if it has not ended, and return how it ended."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(grace)
        self.process.kill()
        code = self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()
        if code >= 0:
            return f"crashed: exit code {code}"
        try:
            return f"crashed: {signal.Signals(-code).name}"
        except ValueError:
            return f"crashed: signal {-code}"


class Sandbox:
    """An engine, as seen from the process that runs the task."""

    def __init__(self, engine: str, options: Mapping[str, Any]) -> None:
        """Take the engine's table of worker.toml. Nothing is started yet."""
        self.engine, self.options = engine, options
        self.timeout = float(options.get("timeout", TIMEOUT))
        self.child: Child | None = None
        self.version = ""

    def scan(self, path: Path) -> Answer:
        """Scan a file. Whatever happens to the engine, there is an answer.

        A process that was killed gets a second chance: that is done from outside, and says nothing of the sample.
        """
        answer = self.scan_once(path)
        return self.scan_once(path) if answer.error == KILLED else answer

    def scan_once(self, path: Path) -> Answer:
        """Scan a file in one process."""
        begin = time.monotonic()
        try:
            self.start()
            begin = time.monotonic()
            self.child.ask(do="scan", path=str(path))
            values = self.child.wait(self.timeout)
            infected = values.get("infected")
            answer = Answer(
                outcome="described" if infected is None else "infected" if infected else "clean",
                name=text(values.get("name", "")),
                engine_version=self.version,
                metadata={text(key): text(value) for key, value in dict(values.get("metadata", {})).items()},
                duration=time.monotonic() - begin,
            )
        except (ChildError, KeyError, TypeError, ValueError) as error:
            self.stop()
            outcome = "timed_out" if isinstance(error, ChildTimeoutError) else "error"
            duration = time.monotonic() - begin
            return Answer(outcome, error=str(error), engine_version=self.version, duration=duration)
        self.child.scans += 1
        if self.child.scans >= SCANS:
            self.stop()
        return answer

    def warm_up(self) -> None:
        """Start the process, and let it load the engine in its own time. One that has died since its last scan is replaced."""
        if self.child and self.child.process.poll() is not None:
            self.stop()
        if self.child is None:
            self.child = Child(self.engine, self.options)

    def start(self) -> None:
        """Have a process that has loaded the engine, and know the engine's version."""
        self.warm_up()
        if not self.child.loaded:
            self.version = text(self.child.wait(self.timeout)["version"])
            self.child.loaded = True

    def stop(self) -> None:
        """End the process."""
        if self.child:
            self.child.end()
            self.child = None


def text(value: object) -> str:
    """Make text of what a process says. A sample may have taken it over, and the database takes neither NUL nor surrogates."""
    return str(value).replace("\0", "\N{REPLACEMENT CHARACTER}").encode(errors="replace").decode()
