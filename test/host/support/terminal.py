"""A terminal on a test host: what one types and sees."""

import contextlib
import select
import time
from types import TracebackType
from typing import Self

from support.machine import Machine


class Terminal:
    """An interactive shell, driven by what it prints."""

    def __init__(self, machine: Machine, user: str = "root", directory: str = "/opt/phagescan") -> None:
        """Open it, as root or as another user's login."""
        shell = ["/bin/bash", "--norc"] if user == "root" else ["su", "-", user]
        api = machine.client.api
        self.exec = api.exec_create(
            machine.container.id,
            shell,
            stdin=True,
            tty=True,
            workdir=directory,
            environment={"TERM": "dumb", "PS1": "# "},
        )["Id"]
        self.stream = api.exec_start(self.exec, tty=True, socket=True)
        self.socket = getattr(self.stream, "_sock", self.stream)
        self.seen = ""
        # A prompt of our own: the line that follows it has been carried out when it is printed again.
        self.type("PS1='ready''> '; unset PROMPT_COMMAND")
        self.expect("ready> ")

    def __enter__(self) -> Self:
        """Use it in a block."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close it."""
        with contextlib.suppress(OSError):
            self.socket.sendall(b"\x03\x04\x04")
        self.stream.close()

    def type(self, line: str) -> None:
        """Type a line."""
        self.socket.sendall(line.encode() + b"\n")

    def interrupt(self) -> str:
        """Type CTRL+C, and wait for the prompt."""
        self.socket.sendall(b"\x03")
        return self.expect("ready> ")

    def expect(self, text: str, seconds: float = 120) -> str:
        """Wait until a text is seen, and return all up to its end."""
        limit = time.monotonic() + seconds
        while text not in self.seen:
            if not select.select([self.socket], [], [], max(limit - time.monotonic(), 0))[0]:
                raise AssertionError(f"waited in vain for {text!r} and saw:\n{self.seen}")
            data = self.socket.recv(65536)
            if not data:
                raise AssertionError(f"the terminal closed before {text!r} and showed:\n{self.seen}")
            self.seen += data.decode(errors="replace").replace("\r", "")
        found, _, self.seen = self.seen.partition(text)
        return found + text
