"""How the process that reads a file sends what is inside it: frames, each a letter, a length and so many bytes."""

import json
import os
import struct
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

HEAD = struct.Struct(">cI")

BEGIN, DATA, END, UNREAD = b"B", b"D", b"E", b"U"
"""A member begins: JSON with its `name`; bytes of it; it ends. What could not be read: JSON, see Unread."""

LONGEST = 1 << 16
"""Bytes of a frame."""

NAME = 1000
"""Characters of a name. Names are shown, and nothing else is done with them."""

NOTES = 100
"""How much is said of a file that could not be read."""


class FrameError(Exception):
    """What was received is no frame: a sample has taken over the process that sent it."""


@dataclass(frozen=True)
class Unread:
    """What was not looked into: the number of the file that it is in, its name there if it has one, one of REASONS, and
    what is said of it.
    """

    parent: int
    name: str
    reason: str
    said: str = ""


ENCRYPTED, LIMIT, BROKEN, UNSUPPORTED = REASONS = ("encrypted", "limit", "broken", "unsupported")


class Sender:
    """Sends members through a pipe."""

    def __init__(self, pipe: int) -> None:
        """Take the pipe's end to write to."""
        self.pipe = pipe

    def begin(self, name: str) -> None:
        """Begin a member."""
        self.send(BEGIN, json.dumps({"name": name[:NAME]}).encode())

    def data(self, pieces: Iterable[bytes]) -> None:
        """Send bytes of the member that has begun."""
        for piece in pieces:
            for start in range(0, len(piece), LONGEST):
                self.send(DATA, bytes(piece[start : start + LONGEST]))

    def end(self) -> None:
        """End the member that has begun."""
        self.send(END)

    def unread(self, name: str, reason: str, said: str) -> None:
        """Say what could not be read."""
        self.send(UNREAD, json.dumps({"name": name[:NAME], "reason": reason, "said": said[:NAME]}).encode())

    def send(self, kind: bytes, payload: bytes = b"") -> None:
        """Send a frame."""
        left = memoryview(HEAD.pack(kind, len(payload)) + payload)
        while left:
            left = left[os.write(self.pipe, left) :]


class Receiver:
    """Takes frames apart, whatever pieces they come in."""

    def __init__(self, take: Callable[[bytes, bytes], None]) -> None:
        """Have `take` called with the letter and the bytes of each frame."""
        self.take = take
        self.received = bytearray()

    def feed(self, piece: bytes) -> None:
        """Take what has come. FrameError when it is none of a frame."""
        self.received += piece
        while len(self.received) >= HEAD.size:
            kind, length = HEAD.unpack_from(self.received)
            if kind not in (BEGIN, DATA, END, UNREAD) or length > LONGEST:
                raise FrameError("its answer is not what it was asked")
            if len(self.received) < HEAD.size + length:
                return
            payload = bytes(self.received[HEAD.size : HEAD.size + length])
            del self.received[: HEAD.size + length]
            self.take(kind, payload)


def fields(payload: bytes) -> dict[str, Any]:
    """Return the object that a frame has. FrameError where it has none."""
    try:
        values = json.loads(payload)
    except (ValueError, RecursionError):
        values = None
    if not isinstance(values, dict):
        raise FrameError("its answer is not understood")
    return values
