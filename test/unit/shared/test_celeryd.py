"""The command celeryd: systemd is notified when it is ready, and it ends at once when there is nothing to do."""

import importlib
import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest


@pytest.fixture
def celeryd(project: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """shared.celeryd, and Celery's own worker replaced by one that notes its calls in `calls`."""
    module: Any = importlib.import_module("shared.celeryd")
    module.calls = []
    (celerys,) = module.Worker.__bases__
    for name in ("on_before_init", "on_consumer_ready", "stop"):
        monkeypatch.setattr(
            celerys, name, lambda *args, _name=name, **options: module.calls.append((_name, args[1:], options))
        )
    monkeypatch.setattr(module, "set_event_loop", lambda loop: module.calls.append(("loop", loop)))
    monkeypatch.setattr(module, "state", SimpleNamespace(reserved_requests=set()))
    return module


@pytest.fixture
def worker(celeryd: Any) -> Callable[..., Any]:
    """Makes a worker that was not set up, with these attributes."""

    def make(**attributes: Any) -> Any:
        made = object.__new__(celeryd.Worker)
        vars(made).update(attributes)
        return made

    return make


@pytest.mark.parametrize(
    ("celerys", "name"),
    [("celery@master.master", "master.master"), ("celery@a@b", "a@b"), ("other@host", "other@host")],
)
def test_name(celeryd: Any, worker: Callable[..., Any], celerys: str, name: str) -> None:
    """The node has the name that was asked for, before Celery uses it."""
    made = worker(hostname=celerys, app=SimpleNamespace())
    made.on_before_init(quiet=True)
    assert (made.hostname, made.app.node) == (name, name)
    assert celeryd.calls == [("on_before_init", (), {"quiet": True})]


@pytest.mark.parametrize("abstract", [True, False])
def test_systemd_is_told(
    celeryd: Any, worker: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, abstract: bool
) -> None:
    """Ready is said once tasks are taken, at the address that systemd gave: a path, or an abstract one."""
    address = f"@phagescan/unit-{os.getpid()}@x" if abstract else str(tmp_path / "notify")
    monkeypatch.setenv("NOTIFY_SOCKET", address)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(f"\0{address[1:]}" if abstract else address)
        systemd.settimeout(5)
        worker().on_consumer_ready("consumer")
        assert systemd.recv(100) == b"READY=1"
        systemd.setblocking(False)
        with pytest.raises(BlockingIOError):
            systemd.recv(100)
    assert celeryd.calls == [("on_consumer_ready", ("consumer",), {})]


@pytest.mark.parametrize("address", [None, ""])
def test_nobody_is_told(
    celeryd: Any, worker: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, address: str | None
) -> None:
    """Where nothing waits for that no socket is made."""
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    if address is not None:
        monkeypatch.setenv("NOTIFY_SOCKET", address)
    monkeypatch.setattr(celeryd, "socket", None)
    worker().on_consumer_ready("consumer")
    assert celeryd.calls == [("on_consumer_ready", ("consumer",), {})]


@pytest.mark.parametrize(
    ("reserved", "ready", "at_once"), [(set(), set(), True), ({"task"}, set(), False), (set(), {"acknowledge"}, False)]
)
def test_stop(celeryd: Any, worker: Callable[..., Any], reserved: set[str], ready: set[str], at_once: bool) -> None:
    """An idle worker leaves its loop at once; one with a task, or with something left to say, does as Celery does."""
    celeryd.state.reserved_requests = reserved
    worker(hub=SimpleNamespace(_ready=ready)).stop(in_sighandler=True, exitcode=3)
    stopped = ("stop", (), {"in_sighandler": True, "exitcode": 3})
    assert celeryd.calls == ([("loop", None), stopped] if at_once else [stopped])


LEAVE = """
import atexit, json, os, sys
import shared.celeryd
from celery.signals import worker_process_shutdown
ends = []
for exitcode in json.loads(sys.argv[1]):
    reader, writer = os.pipe()
    if (pid := os.fork()) == 0:
        os.dup2(writer, 1)
        atexit.register(print, "more")
        worker_process_shutdown.send(sender=None, pid=1, exitcode=exitcode)
        sys.exit(9)
    os.close(writer)
    ends.append([os.read(reader, 100).decode(), os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])])
print(json.dumps(ends))
"""
EXIT_CODES = [0, 3, None]


@pytest.fixture(scope="module")
def ends() -> list[list[Any]]:
    """What processes of the pool said after their end, and their exit codes; the modules are imported once for all."""
    kept = ("PATH", "PYTHONDONTWRITEBYTECODE", "PYTHONPYCACHEPREFIX")
    environment = {name: os.environ[name] for name in kept if name in os.environ}
    command = [sys.executable, "-c", LEAVE, json.dumps(EXIT_CODES)]
    ran = subprocess.run(
        command,
        cwd=Path(__file__).parents[3] / "roots" / "phagescan",
        env=environment,
        stdout=subprocess.PIPE,
        check=True,
    )
    return json.loads(ran.stdout)


@pytest.mark.parametrize("exitcode", EXIT_CODES)
def test_leave(ends: list[list[Any]], exitcode: int | None) -> None:
    """Where Celery says that a process of the pool has done its last, it ends there, with its exit code, and does no
    more.
    """
    assert ends[EXIT_CODES.index(exitcode)] == ["", exitcode or 0]
