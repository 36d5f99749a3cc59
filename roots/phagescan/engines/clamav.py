"""Engine `clamav`: asks a clamd on this host, through its socket."""

import re
import socket
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO

from engines import HARMLESS, Engine, Finding

CHUNK = 1 << 16
SOCKET = "/run/clamav/clamd.ctl"
NUMBER = re.compile(r"^\d+: ")
"""Of the command, before an answer in a session."""


class ClamavError(Exception):
    """The daemon cannot be asked, or its answer is no verdict; the message is one line."""


class Clamav(Engine):
    """ClamAV. The daemon gets the sample's bytes and needs no right to read the file."""

    name = "clamav"
    sockets = True
    clamd: socket.socket

    def __init__(self, options: Mapping[str, Any]) -> None:
        """Remember where the daemon listens."""
        super().__init__(options)
        self.address = str(options.get("socket", SOCKET))
        self.known = "unknown"

    @contextmanager
    def connected(self) -> Iterator[None]:
        """Have a session, in which the daemon takes several commands."""
        with socket.socket(socket.AF_UNIX) as self.clamd:
            with self.errors():
                self.clamd.connect(self.address)
                self.clamd.sendall(b"zIDSESSION\0")
            yield

    def version(self) -> str:
        """Return the daemon's version, with that of its signatures, as it was at the last self-test or scan."""
        return self.known

    def self_test(self) -> None:
        """Have a harmless text scanned."""
        if (answer := self.ask(b"PING")) != "PONG":
            raise ClamavError(f"clamd at {self.address} answered PING with {answer!r}")
        if (found := self.judge(BytesIO(HARMLESS))).infected:
            raise ClamavError(f"clamd at {self.address} takes a plain text for {found.name}")

    def scan(self, path: Path) -> Finding:
        """Have the sample scanned."""
        with path.open("rb") as sample:
            return self.judge(sample)

    def judge(self, sample: BinaryIO) -> Finding:
        """Send bytes and make a finding of the answer."""
        self.known = self.ask(b"VERSION").removeprefix("ClamAV ")
        answer = self.ask(b"INSTREAM", iter(lambda: sample.read(CHUNK), b"")).removeprefix("stream: ")
        if answer == "OK":
            return Finding(infected=False)
        if answer.endswith(" FOUND"):
            return Finding(infected=True, name=answer.removesuffix(" FOUND"))
        raise ClamavError(f"clamd: {answer.removesuffix(' ERROR') or 'no answer'}")

    def ask(self, command: bytes, chunks: Iterable[bytes] = ()) -> str:
        """Send a command, and chunks of data if it takes some; return the answer without its number."""
        with self.errors():
            self.clamd.sendall(b"z" + command + b"\0")
            try:
                for chunk in chunks:
                    self.clamd.sendall(len(chunk).to_bytes(4, "big") + chunk)
                if chunks:
                    self.clamd.sendall(bytes(4))
            except (BrokenPipeError, ConnectionResetError):
                pass  # it has heard enough, and its answer says why
            answer = b""
            while not answer.endswith(b"\0") and (piece := self.clamd.recv(4096)):
                answer += piece
        return NUMBER.sub("", answer.rstrip(b"\0").decode(errors="replace")).strip()

    @contextmanager
    def errors(self) -> Iterator[None]:
        """Say where the daemon was looked for."""
        try:
            yield
        except FileNotFoundError as error:
            raise ClamavError(f"clamd has no signatures yet, or was stopped: there is no {self.address}") from error
        except OSError as error:
            raise ClamavError(f"clamd at {self.address} does not answer ({error.strerror or error})") from error
