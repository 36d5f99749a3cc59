"""The engine clamav: what it asks clamd, and what it makes of the answers."""

import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from samples import eicar


class Clamd:
    """A daemon that speaks the protocol of clamd, as far as it is used, and remembers what it got."""

    def __init__(self, path: Path) -> None:
        """Listen."""
        self.received: list[bytes] = []
        self.limit = 1 << 30
        self.found = {eicar(): "Eicar-Test"}
        self.pong = b"PONG\0"
        self.server = socket.socket(socket.AF_UNIX)
        self.server.bind(str(path))
        self.server.listen()
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self) -> None:
        """Answer the commands of a session, one session after the other."""
        while True:
            try:
                connection, _ = self.server.accept()
            except OSError:
                return
            with connection, connection.makefile("rwb") as stream:
                number = 0
                while self.perform(stream, b"%d: " % number):
                    stream.flush()
                    number += 1

    def perform(self, stream: Any, number: bytes) -> bool:
        """Read a command and write its answer, with its number; return whether the session goes on."""
        command = b"".join(iter(lambda: stream.read(1) or b"\0", b"\0"))
        if command == b"zPING":
            stream.write(number + self.pong)
        elif command == b"zVERSION":
            stream.write(number + b"ClamAV 1.4.3/27000/Mon Jan  1 00:00:00 2024\0")
        elif command == b"zINSTREAM":
            data = b""
            while length := int.from_bytes(stream.read(4), "big"):
                data += stream.read(length)
                if len(data) > self.limit:
                    stream.write(b"INSTREAM size limit exceeded. ERROR\0")
                    return False
            self.received.append(data)
            name = self.found.get(data)
            stream.write(number + (f"stream: {name} FOUND\0".encode() if name else b"stream: OK\0"))
        return bool(command)


@pytest.fixture
def clamd(engines: Any, tmp_path: Path) -> Iterator[Clamd]:
    """A daemon at `tmp_path`/clamd.ctl."""
    daemon = Clamd(tmp_path / "clamd.ctl")
    yield daemon
    daemon.server.shutdown(socket.SHUT_RDWR)
    daemon.server.close()


def self_test(engine: Any) -> None:
    """Have it test itself, as its process does."""
    with engine.connected():
        engine.self_test()


def test_clamav_asks_the_daemon(scan: Callable[..., Any], engines: Any, clamd: Clamd, tmp_path: Path) -> None:
    """It says what the daemon says, and the daemon gets every byte."""
    options = {"socket": str(tmp_path / "clamd.ctl")}
    engine = engines.engine_class("clamav")(options)
    self_test(engine)
    assert engine.version() == "1.4.3/27000/Mon Jan  1 00:00:00 2024"
    found = scan("clamav", eicar(), **options)
    assert (found.infected, found.name) == (True, "Eicar-Test")
    large = bytes(range(251)) * 2000
    assert scan("clamav", large, **options).infected is False
    assert scan("clamav", b"", **options).infected is False
    assert clamd.received[-2:] == [large, b""]


def test_clamav_passes_on_the_daemons_errors(scan: Callable[..., Any], clamd: Clamd, tmp_path: Path) -> None:
    """One that comes while the sample is still being sent as well."""
    clamd.limit = 1000
    with pytest.raises(Exception, match=r"^clamd: INSTREAM size limit exceeded\.$"):
        scan("clamav", bytes(8 << 20), socket=str(tmp_path / "clamd.ctl"))


def test_clamav_without_a_daemon_says_where_it_looked(engines: Any, tmp_path: Path) -> None:
    """The version is unknown, the self-test names the socket."""
    engine = engines.engine_class("clamav")({"socket": str(tmp_path / "none.ctl")})
    assert engine.version() == "unknown"
    with pytest.raises(
        Exception, match=rf"^clamd has no signatures yet, or was stopped: there is no {tmp_path}/none.ctl$"
    ):
        self_test(engine)


def test_clamav_does_not_trust_any_daemon(engines: Any, clamd: Clamd, tmp_path: Path) -> None:
    """The self-test fails when the daemon is another, and when it takes a text for a threat."""
    engine = engines.engine_class("clamav")({"socket": str(tmp_path / "clamd.ctl")})
    clamd.pong = b"220 smtp\0"
    with pytest.raises(Exception, match="answered PING with '220 smtp'"):
        self_test(engine)
    clamd.pong, clamd.found = b"PONG\0", {b"A text.\n": "Everything"}
    with pytest.raises(Exception, match="takes a plain text for Everything"):
        self_test(engine)
