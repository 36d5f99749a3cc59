"""Samples are handed in by connections that are kept, each once, as the API takes them."""

import email
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace
from typing import Any

import pytest

THREADS = 3


class Web(ThreadingHTTPServer):
    """Takes uploads, and remembers them."""

    status, last = 202, 10

    def __init__(self) -> None:
        """Listen on a port that is free."""
        self.connections = 0
        self.taken: list[bytes] = []
        super().__init__(("127.0.0.1", 0), Handler)


class Handler(BaseHTTPRequestHandler):
    """A connection, which ends after some requests."""

    protocol_version = "HTTP/1.1"
    server: Web

    def setup(self) -> None:
        """Count it."""
        super().setup()
        self.requests = 0
        self.server.connections += 1

    def do_POST(self) -> None:
        """Answer."""
        body = self.rfile.read(int(self.headers["Content-Length"]))
        form = email.message_from_bytes(f"Content-Type: {self.headers['Content-Type']}\r\n\r\n".encode() + body)
        part: Any = form.get_payload(0)
        self.server.taken.append(part.get_payload(decode=True))
        self.requests += 1
        self.send_response(self.server.status)
        self.send_header("Content-Length", "2")
        if self.requests == self.server.last:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, *_: Any) -> None:
        """Write nothing."""


@pytest.fixture
def web() -> Iterator[Web]:
    """A web server."""
    with Web() as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def uploader(bench: SimpleNamespace, web: Web, monkeypatch: pytest.MonkeyPatch) -> Any:
    """What hands samples in there."""
    monkeypatch.setattr(bench.scanning, "token", lambda: "token")
    uploader = bench.scanning.Uploader(THREADS)
    for connection in uploader.connections:
        connection.port = web.server_port
    return uploader


def test_each_is_handed_in_once(web: Web, uploader: Any) -> None:
    """By as many connections as are wanted, and others where the server has closed one."""
    samples = [f"sample {number}".encode() for number in range(THREADS * 15)]
    uploader.hand_in(samples)
    assert sorted(web.taken) == sorted(samples)
    assert web.connections == 2 * THREADS
    uploader.rest()


def test_refusal_ends_it(web: Web, uploader: Any) -> None:
    """A figure of uploads that were refused would be worth nothing."""
    web.status = 507
    with pytest.raises(SystemExit, match="an upload was answered 507"):
        uploader.hand_in([b"sample"])
    uploader.rest()


def test_samples_are_new(bench: SimpleNamespace) -> None:
    """No two are the same, and each is of a size that was said."""
    samples = bench.scanning.make(200)
    assert len(set(samples)) == 200
    assert max(map(len, samples)) < 21_000
