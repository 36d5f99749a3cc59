"""An epmd that is here already: it is asked whether it does for our node."""

import socket
import struct
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture
def epmd(load: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """The module, on a host without systemd."""
    module = load("_utils/doctor").listening.epmd
    monkeypatch.setattr(module, "ROOT", tmp_path)
    return module


@pytest.fixture
def mapper() -> Iterator[Callable[[str], int]]:
    """Starts one that knows these nodes, or says something else, and tells its port."""
    servers = []

    def start(text: str, number: int = 0) -> int:
        server = socket.create_server(("127.0.0.1", 0))
        servers.append(server)
        port = int(server.getsockname()[1])

        def serve() -> None:
            client, _ = server.accept()
            with client:
                asked = client.recv(100)
                client.sendall(struct.pack(">I", number or port) + text.encode() if asked == b"\x00\x01n" else asked)

        threading.Thread(target=serve, daemon=True).start()
        return port

    yield start
    for server in servers:
        server.close()


def test_does(epmd: Any, mapper: Callable[..., int]) -> None:
    """One that answers does for a node whose name is free, or is that of our own broker."""
    shop = "name shop at port 4000\n"
    assert epmd.objection("rabbit@localhost", "127.0.0.1", mapper(shop), {}) == ""
    ours = f"{shop}name rabbit at port 25672\n"
    assert epmd.objection("rabbit@localhost", "127.0.0.1", mapper(ours), {25672: True}) == ""


@pytest.mark.parametrize("brokers", [{}, {25672: False}])
def test_name_is_taken(epmd: Any, mapper: Callable[..., int], brokers: dict[int, bool]) -> None:
    """A name that another's node has is no name for ours."""
    port = mapper("name rabbit at port 25672\n")
    said = epmd.objection("rabbit@localhost", "127.0.0.1", port, brokers)
    assert said == "it knows another node rabbit, on port 25672; stop that"


def test_no_epmd(epmd: Any, mapper: Callable[..., int]) -> None:
    """What does not speak as one is none, whatever its name; so is what is gone."""
    said = "it does not answer as one; stop it"
    assert epmd.objection("rabbit@localhost", "127.0.0.1", mapper("", number=80), {}) == said
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    assert epmd.objection("rabbit@localhost", "127.0.0.1", port, {}) == said


def test_systemd(epmd: Any, tmp_path: Path) -> None:
    """With systemd the port is that of its socket, for all nodes."""
    (tmp_path / "run/systemd/system").mkdir(parents=True)
    assert epmd.objection("rabbit@localhost", "127.0.0.1", 1, {}).startswith("stop it, and restart its nodes")
