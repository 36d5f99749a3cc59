"""The scan worker: its modules, an engine that does what its sample says, and a master that gives listed answers."""

import http.server
import importlib
import shutil
import ssl
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

CONF = """
ca_certs = ""
[broker]
host = "127.0.0.1"
port = 5672
vhost = "phage"
user = "worker"
password = "test-secret"
tls = false
[scan]
master_url = "http://127.0.0.1:1"
concurrency = 3
[unpack]
depth = 8
members = 1000
size = 512
seconds = 60
ratio = 1000
memory = 1024
passwords = ["infected"]
[engines.yara]
timeout = 30
memory = 512
[engines.fileinfo]
timeout = 30
memory = 512
"""

ENGINE = '''
"""An engine that does what the sample says."""

import ctypes, os, socket, subprocess, time
from engines import Engine, Finding

class Puppet(Engine):
    """Runs the sample, for the test."""

    name = "puppet"

    def version(self):
        return "1"

    def self_test(self):
        if self.options.get("broken"):
            raise RuntimeError("the strings are torn")

    def scan(self, path):
        found = {}
        exec(path.read_text(), globals() | {"found": found, "path": path})
        return Finding(False, metadata={key: str(value) for key, value in found.items()})
'''


@pytest.fixture
def project(project: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The project root, configured as a worker's."""
    (tmp_path / "worker.toml").write_text(CONF)
    monkeypatch.setenv("PHAGESCAN_CONF_DIR", str(tmp_path))
    monkeypatch.setenv("CELERY_CONFIG_MODULE", "workerceleryconfig")
    monkeypatch.delenv("DJANGO_SETTINGS_MODULE", raising=False)
    return project


@pytest.fixture
def sandbox(project: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Callable[..., Any]]:
    """Makes the sandbox of an engine that does what the sample says, in a copy of the project that has such an
    engine.
    """
    copy = tmp_path / "project"
    for name in ("engines", "worker"):
        shutil.copytree(project / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
    (copy / "engines" / "puppet.py").write_text(ENGINE)
    module = importlib.import_module("worker.sandbox")
    monkeypatch.setattr(module, "PROGRAM", copy / "worker" / "child.py")
    made = []

    def make(**options: Any) -> Any:
        made.append(module.Sandbox("puppet", {"timeout": 20, "memory": 256, **options}))
        return made[-1]

    yield make
    for each in made:
        each.stop()


@pytest.fixture
def script(tmp_path: Path) -> Callable[[str], Path]:
    """Writes a sample."""

    def write(code: str) -> Path:
        path = tmp_path / "sample"
        path.write_text(code)
        return path

    return write


@pytest.fixture
def server() -> Iterator[Callable[..., SimpleNamespace]]:
    """Starts a master that gives the listed answers, one after the other, and the last one again and again."""
    running = []

    def start(
        answers: list[tuple[int, bytes] | tuple[int, bytes, dict[str, str]]],
        context: ssl.SSLContext | None = None,
        version: str = "HTTP/1.0",
    ) -> SimpleNamespace:
        state = SimpleNamespace(paths=[], headers=[], clients=[])

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = version

            def do_GET(self) -> None:  # noqa: N802
                state.paths.append(self.path)
                state.clients.append(self.client_address)
                state.headers.append((self.headers["Authorization"], self.headers["X-Delivery"]))
                status, body, *more = answers[min(len(state.paths), len(answers)) - 1]
                headers = {"Content-Length": str(len(body)), **(more[0] if more else {})}
                self.send_response(status)
                for key, value in headers.items():
                    if value:
                        self.send_header(key, value)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                pass

        httpd = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        if context:
            httpd.socket = context.wrap_socket(httpd.socket, server_side=True, do_handshake_on_connect=False)
        threading.Thread(target=httpd.serve_forever, args=(0.01,), daemon=True).start()
        running.append(httpd)
        state.address = httpd.server_address
        state.url = f"http{'s' if context else ''}://127.0.0.1:{httpd.server_address[1]}"
        return state

    yield start
    for httpd in running:
        httpd.shutdown()
        httpd.server_close()


@pytest.fixture
def fetch(project: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """The module, in a hurry, with a temporary directory of its own."""
    module = importlib.import_module("worker.fetch")
    monkeypatch.setattr(module, "PATIENCE", 20.0)
    monkeypatch.setattr(module, "PAUSES", (0.01,))
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    return module


@pytest.fixture
def announce(project: Path) -> Any:
    """worker.announce."""
    return importlib.import_module("worker.announce")


@pytest.fixture
def status(project: Path) -> Any:
    """worker.status."""
    return importlib.import_module("worker.status")
