"""The process that opens files, as seen from the worker; and what it sends, as files in a folder."""

import hashlib
import os
import select
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from worker.answers import ChildError, ChildTimeoutError, EngineError, EngineTimeoutError, text
from worker.sandbox import OVERTIME, Child, Sandbox
from worker.unpack.frames import (
    BEGIN,
    BROKEN,
    DATA,
    END,
    LIMIT,
    NAME,
    NOTES,
    REASONS,
    FrameError,
    Receiver,
    Unread,
    fields,
)

PIECE = 1 << 16


class TooMuchError(Exception):
    """More was sent than was asked for: a sample has taken over the process that sent it."""


@dataclass(frozen=True)
class Member:
    """A file that is inside another: its number, that of the other (0 is the sample), its name there, its bytes in a
    file, and their SHA-256.
    """

    number: int
    parent: int
    name: str
    path: Path
    sha256: str


class Taken:
    """What is sent of one file, until it was sent."""

    def __init__(self, folder: Path, parent: int, number: int, most: int, room: int) -> None:
        """Have members written to a folder, as files whose names are numbers from this one on; at most so many, and so
        many bytes of them together.
        """
        self.folder, self.parent, self.number = folder, parent, number
        self.most, self.room = most, room
        self.members: list[Member] = []
        self.unread: list[Unread] = []
        self.file: BinaryIO | None = None
        self.name = ""

    def take(self, kind: bytes, payload: bytes) -> None:
        """Take a frame."""
        if kind == BEGIN:
            self.begin(text(fields(payload).get("name", ""))[:NAME])
        elif kind == DATA and self.file:
            self.room -= len(payload)
            if self.room < 0:
                raise TooMuchError
            self.file.write(payload)
            self.hash.update(payload)
        elif kind == END and self.file:
            self.end()
        else:
            self.note(fields(payload))

    def begin(self, name: str) -> None:
        """Begin a member."""
        self.end()
        if len(self.members) >= self.most:
            raise TooMuchError
        self.name, self.hash = name, hashlib.sha256()
        self.file = (self.folder / str(self.number + len(self.members))).open("xb")

    def end(self) -> None:
        """End the member that has begun, if one has: what there is of it is looked into."""
        if self.file:
            self.file.close()
            number = self.number + len(self.members)
            path = self.folder / str(number)
            self.members.append(Member(number, self.parent, self.name, path, self.hash.hexdigest()))
            self.file = None

    def note(self, values: Mapping[str, Any]) -> None:
        """Note what could not be read."""
        if len(self.unread) >= NOTES:
            raise TooMuchError
        reason = values.get("reason")
        if reason not in REASONS:
            raise FrameError("its answer is not understood")
        self.unread.append(self.not_read(reason, text(values.get("said", "")), text(values.get("name", ""))))

    def not_read(self, reason: str, said: str, name: str = "") -> Unread:
        """Say that something could not be read."""
        return Unread(self.parent, name[:NAME], reason, " ".join(said.split())[:NAME])


class Opening(Sandbox):
    """The process that opens files, worker/unpack/opener.py."""

    pipe = -1
    """What it sends members through."""

    def __init__(self, options: Mapping[str, Any]) -> None:
        """Take the table `unpack` of worker.toml. Nothing is started yet."""
        super().__init__("worker.unpack.opener", options)

    def warm_up(self) -> Child:
        """Start the process, and let it load what it reads with in its own time. One that is spoiled is replaced."""
        if self.child and self.child.spoiled():
            self.stop()
        if self.child is None:
            self.pipe, its = os.pipe()
            try:
                self.child = Child(self.engine, self.options, its)
            finally:
                os.close(its)
        return self.child

    def stop(self) -> None:
        """End the process."""
        super().stop()
        if self.pipe >= 0:
            os.close(self.pipe)
            self.pipe = -1

    def open(self, taken: Taken, path: Path, kind: str, passwords: Sequence[str], seconds: float) -> None:
        """Have what is inside a file taken. Whatever happens to the process, that is said; OSError is what this host
        lacks.
        """
        try:
            child = self.start()
            child.timeout = seconds
            asked = {"kind": kind, "passwords": list(passwords), "most": taken.most, "room": taken.room}
            child.ask(do="unpack", path=str(path), **asked)
            self.receive(child, taken, time.monotonic() + seconds + OVERTIME)
        except (ChildTimeoutError, EngineTimeoutError, TooMuchError) as error:
            taken.unread.append(taken.not_read(LIMIT, str(error) or "it took too long, or would have been too much"))
            self.stop()
        except (ChildError, EngineError, FrameError) as error:
            taken.unread.append(taken.not_read(BROKEN, str(error)))
            self.stop()
        except OSError:
            self.stop()
            raise
        finally:
            with suppress(OSError):
                taken.end()

    def receive(self, child: Child, taken: Taken, deadline: float) -> None:
        """Take what is sent, until the answer says that this is all: then the fork has ended, and the pipe is empty."""
        receiver = Receiver(taken.take)
        poll = select.poll()
        for descriptor in (self.pipe, child.stdout.fileno()):
            poll.register(descriptor, select.POLLIN)
        while time.monotonic() < deadline:
            ready = {descriptor for descriptor, _ in poll.poll(max(0.0, deadline - time.monotonic()) * 1000)}
            if self.pipe in ready and (piece := os.read(self.pipe, PIECE)):
                receiver.feed(piece)
            elif ready and child.answer(0.0) is not None:
                return
        raise ChildTimeoutError
