"""Ports that something else has are reported before a run touches the host."""

import os
import pwd
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

HERE = Path("/proc")


@pytest.fixture
def there(machine: Any, monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[str]]:
    """Says the faults of a host, in this kernel's own words, where one service wants a port."""
    checks = machine.checks
    monkeypatch.setattr(checks.listening, "PROC", HERE)

    def ask(
        address: str, port: int, roles: tuple[str, ...] = ("master",), mode: str = "production", **listener: Any
    ) -> list[str]:
        wanted = checks.network.Listener(**{"service": "RabbitMQ", **listener}, address=address, port=port)
        monkeypatch.setattr(checks.listening, "listeners", lambda _situation: [wanted])
        return machine.ask(roles, mode=mode)

    return ask


@pytest.fixture(params=["127.0.0.1", "0.0.0.0", "::"])
def taken(request: pytest.FixtureRequest, there: Callable[..., list[str]]) -> Iterator[tuple[int, int]]:
    """Port and process of a program that listens there, in this kernel's own words."""
    family = socket.AF_INET6 if ":" in request.param else socket.AF_INET
    with socket.create_server((request.param, 0), family=family) as server:
        server.set_inheritable(True)
        command = [sys.executable, "-c", "input()"]
        with subprocess.Popen(command, stdin=subprocess.PIPE, pass_fds=[server.fileno()]) as program:
            port = server.getsockname()[1]
            server.close()
            yield port, program.pid
            program.communicate(b"\n")


@pytest.mark.parametrize("address", ["127.0.0.1", "0.0.0.0", ""])
def test_port(there: Callable[..., list[str]], taken: tuple[int, int], address: str) -> None:
    """A port that another has is a fault which names the key, the port, the program and its process."""
    port, pid = taken
    name = (HERE / str(pid) / "comm").read_text().strip()
    said = f"port {port} is taken by {name} (pid {pid}); stop it"
    assert there(address, port, key="rabbitmq:port") == [
        f"rabbitmq:port: {said}, or choose another port in pillar/local.sls"
    ]
    assert there(address, port, service="Erlang's epmd") == [f"Erlang's epmd: {said}"]
    assert there(address, port, service="gunicorn", mode="development") == []
    assert there(address, port, roles=["worker"]) == []


def test_port_elsewhere(there: Callable[..., list[str]]) -> None:
    """The same port of another address is free."""
    with socket.create_server(("127.0.0.2", 0)) as server:
        port = server.getsockname()[1]
        assert there("127.0.0.1", port) == []
        assert len(there("127.0.0.2", port)) == 1


def test_port_of_the_service(there: Callable[..., list[str]], taken: tuple[int, int], tmp_path: Path) -> None:
    """What listens is the service itself: by its user, by its pid file, or by its program."""
    port, pid = taken
    name = (HERE / str(pid) / "comm").read_text().strip()
    nginx = {"pidfile": "run/nginx.pid", "program": "nginx"}
    assert len(there("", port, **nginx)) == 1
    (tmp_path / "run").mkdir()
    (tmp_path / "run/nginx.pid").write_text(f"{pid}\n")
    assert there("", port, **nginx) == []
    (tmp_path / "run/nginx.pid").write_text("1\n")
    assert len(there("", port, **nginx)) == 1
    assert there("", port, program=name) == []
    assert there("", port, users=("none", pwd.getpwuid(os.getuid()).pw_name), program="nginx") == []


def test_epmd_of_somebody(
    there: Callable[..., list[str]], machine: Any, taken: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of an epmd that is not ours its user is named, and what it does not do; one that does is no fault."""
    port, pid = taken
    asked = []

    def objection(*arguments: Any) -> str:
        asked.append(arguments)
        return said.pop()

    said = ["", "stop it"]
    monkeypatch.setattr(machine.checks.listening.epmd, "objection", objection)
    monkeypatch.setattr(machine.checks.listening, "_program", lambda other: "epmd" if other == pid else "")
    user = pwd.getpwuid(os.getuid()).pw_name
    epmd = {"service": "Erlang's epmd", "program": "epmd"}
    assert there("", port, **epmd) == [
        f"Erlang's epmd: port {port} is taken by epmd (pid {pid}) of user {user}; stop it"
    ]
    assert there("", port, **epmd) == []
    assert asked[0][:3] == ("rabbit@localhost", "", port)
    assert asked[0][3][port] is False


def test_port_where_root_may_not_look(
    there: Callable[..., list[str]], machine: Any, taken: tuple[int, int], tmp_path: Path
) -> None:
    """In a container whose root may not see what others have open, the service's process and user are known."""
    port, pid = taken
    name = (HERE / str(pid) / "comm").read_text().strip()

    def refuse(_path: Path) -> str:
        raise PermissionError

    machine.checks.listening.os.readlink = refuse
    (tmp_path / "run").mkdir()
    (tmp_path / "run/nginx.pid").write_text(f"{pid}\n")
    assert there("", port, pidfile="run/nginx.pid", program=name) == []
    user = pwd.getpwuid(os.getuid()).pw_name
    assert there("", port, key="x:listen", pidfile="run/nginx.pid", program="nginx") == [
        f"x:listen: port {port} is taken by a process of user {user}; stop it, or choose another port"
        " in pillar/local.sls"
    ]
