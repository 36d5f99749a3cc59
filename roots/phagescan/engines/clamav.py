"""Engine `clamav`: asks a clamd on this host, through its socket."""

import socket
from collections.abc import Iterable, Mapping
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO

from engines import Engine, Finding

CHUNK = 1 << 16
SOCKET = "/run/clamav/clamd.ctl"


class ClamavError(Exception):
    """The daemon cannot be asked, or its answer is no verdict; the message is one line."""


class Clamav(Engine):
    """ClamAV. The daemon gets the sample's bytes and needs no right to read the file."""

    name = "clamav"

    def __init__(self, options: Mapping[str, Any]) -> None:
        """Remember where the daemon listens."""
        super().__init__(options)
        self.socket = str(options.get("socket", SOCKET))

    def version(self) -> str:
        """Return the daemon's version, with that of its signatures; nothing certain while it does not answer."""
        try:
            return self.ask(b"VERSION").removeprefix("ClamAV ")
        except ClamavError:
            return "unknown"

    def self_test(self) -> None:
        """Have a harmless text scanned."""
        if (answer := self.ask(b"PING")) != "PONG":
            raise ClamavError(f"clamd at {self.socket} answered PING with {answer!r}")
        if (found := self.judge(BytesIO(b"A text.\n"))).infected:
            raise ClamavError(f"clamd at {self.socket} takes a plain text for {found.name}")

    def scan(self, path: Path) -> Finding:
        """Have the sample scanned."""
        with path.open("rb") as sample:
            return self.judge(sample)

    def judge(self, sample: BinaryIO) -> Finding:
        """Send bytes and make a finding of the answer."""
        answer = self.ask(b"INSTREAM", iter(lambda: sample.read(CHUNK), b"")).removeprefix("stream: ")
        if answer == "OK":
            return Finding(infected=False)
        if answer.endswith(" FOUND"):
            return Finding(infected=True, name=answer.removesuffix(" FOUND"))
        raise ClamavError(f"clamd: {answer.removesuffix(' ERROR') or 'no answer'}")

    def ask(self, command: bytes, chunks: Iterable[bytes] = ()) -> str:
        """Send a command, and chunks of data if it takes some; return the answer."""
        try:
            with socket.socket(socket.AF_UNIX) as clamd:
                clamd.connect(self.socket)
                clamd.sendall(b"z" + command + b"\0")
                try:
                    for chunk in chunks:
                        clamd.sendall(len(chunk).to_bytes(4, "big") + chunk)
                    if chunks:
                        clamd.sendall(bytes(4))
                except (BrokenPipeError, ConnectionResetError):
                    pass  # it has heard enough, and its answer says why
                answer = b""
                while not answer.endswith(b"\0") and (piece := clamd.recv(4096)):
                    answer += piece
        except FileNotFoundError as error:
            raise ClamavError(f"clamd has no signatures yet, or was stopped: there is no {self.socket}") from error
        except OSError as error:
            raise ClamavError(f"clamd at {self.socket} does not answer ({error.strerror or error})") from error
        return answer.rstrip(b"\0").decode(errors="replace").strip()
