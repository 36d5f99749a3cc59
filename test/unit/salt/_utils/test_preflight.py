"""What a host lacks, or has, is told before a run touches it."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

HERE = Path("/proc")
ROLES = ["master", "worker"]


@pytest.fixture
def preflight(load: Callable[..., Any], tmp_path: Path) -> Any:
    """The module on a converged host below tmp_path, with room, memory, and an archive that answers."""
    module = load("_utils/preflight")
    module.ROOT, module.PROC, module.CGROUP = tmp_path, tmp_path / "proc", tmp_path / "cgroup"
    for name in ("opt/venv/pyvenv.cfg", *(program.replace("*", "17") for program in module.PROGRAMS)):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "proc").mkdir()
    memory(module, 8000)
    module.os = SimpleNamespace(**vars(os))
    free(module, 50000)
    module.sources = lambda: {"http://archive.example/": ("", None)}
    return module


def memory(module: Any, mebibytes: int, swap: int = 0) -> None:
    """Have this much memory."""
    (module.PROC / "meminfo").write_text(
        f"MemTotal: 1 kB\nMemAvailable: {mebibytes * 1024} kB\nSwapFree: {swap * 1024} kB\n"
    )


def free(module: Any, mebibytes: int) -> None:
    """Have this much room on the one file system there is."""
    module.os.statvfs = lambda _path: SimpleNamespace(f_bavail=mebibytes * 256, f_frsize=4096)


def ask(module: Any, roles: list[str] = ROLES, ports: Any = (), checkout: Any = (), **more: Any) -> list[str]:
    """All faults, as lines."""
    pillar = {"phagescan": {"virtualenv": "/opt/venv", "mode": more.pop("mode", "production")}}
    return [f"{key}: {reason}" for key, reason, _ in module.faults(pillar, roles, list(ports), list(checkout), **more)]


def test_converged(preflight: Any) -> None:
    """A host on which all is well has no faults, and nothing is asked of the archive."""
    preflight.sources = None
    assert ask(preflight) == []


@pytest.mark.parametrize(
    ("bare", "roles", "needed"),
    [(False, ROLES, 165), (True, ROLES, 1205), (True, ["worker"], 345)],
)
def test_disk(preflight: Any, tmp_path: Path, bare: bool, roles: list[str], needed: int) -> None:
    """What directories of one file system need is added up: more on a bare host, and less where only a worker comes."""
    for name in ("var", "etc", "tmp"):
        (tmp_path / name).mkdir()
    if bare:
        (tmp_path / "opt/venv/pyvenv.cfg").unlink()
        (tmp_path / "usr/sbin/nginx").unlink()
    free(preflight, needed)
    assert ask(preflight, roles) == []
    free(preflight, needed - 1)
    (fault,) = ask(preflight, roles)
    said = f"disk: {needed} MiB are needed for /usr, /var, /opt, /etc, /tmp, and {needed - 1} MiB are free; make room"
    assert fault == said


@pytest.mark.parametrize(
    ("bare", "roles", "needed"), [(False, ROLES, 100), (True, ROLES, 1000), (True, ["worker"], 400)]
)
def test_memory(preflight: Any, tmp_path: Path, bare: bool, roles: list[str], needed: int) -> None:
    """Swap counts as memory; a container's limit does, too, but not what its files take of it while nobody needs more."""
    if bare:
        (tmp_path / "opt/venv/pyvenv.cfg").unlink()
    memory(preflight, needed - 50, swap=50)
    assert ask(preflight, roles) == []
    memory(preflight, needed - 50, swap=49)
    said = [f"memory: {needed} MiB are needed, and {needed - 1} MiB are free; add memory or swap"]
    assert ask(preflight, roles) == said
    memory(preflight, 50000)
    (tmp_path / "cgroup").mkdir()
    (tmp_path / "cgroup/memory.current").write_text(f"{800 << 20}\n")
    cache = {"anon": 300, "shmem": 20, "inactive_file": 250, "active_file": 200, "slab_reclaimable": 50, "slab": 70}
    (tmp_path / "cgroup/memory.stat").write_text("".join(f"{name} {size << 20}\n" for name, size in cache.items()))
    (tmp_path / "cgroup/memory.max").write_text(f"{(needed + 300) << 20}\n")
    assert ask(preflight, roles) == []
    (tmp_path / "cgroup/memory.max").write_text(f"{(needed + 299) << 20}\n")
    assert ask(preflight, roles) == said
    (tmp_path / "cgroup/memory.max").write_text("max\n")
    assert ask(preflight, roles) == []


def test_clock(preflight: Any, tmp_path: Path) -> None:
    """A clock that is a day or more behind a file of the checkout is wrong; hours are a matter of time zones."""
    path = tmp_path / "checkout/salt/top.sls"
    path.parent.mkdir(parents=True)
    path.touch()
    for ahead, faults in ((0, 0), (80000, 0), (90000, 1)):
        os.utime(path, times=(time.time() + ahead,) * 2)
        assert len(ask(preflight, checkout=[str(tmp_path / "checkout"), str(tmp_path / "none")])) == faults
    (fault,) = ask(preflight, checkout=[str(tmp_path / "checkout")])
    assert fault.startswith("clock: it is ")
    assert f"and {path} is of " in fault


@pytest.fixture(params=["127.0.0.1", "0.0.0.0", "::"])
def taken(request: pytest.FixtureRequest, preflight: Any) -> Iterator[tuple[int, int]]:
    """Port and process of a program that listens there, in this kernel's own words."""
    family = socket.AF_INET6 if ":" in request.param else socket.AF_INET
    preflight.PROC = HERE
    preflight.MEMORY = {}
    with socket.create_server((request.param, 0), family=family) as server:
        server.set_inheritable(True)
        command = [sys.executable, "-c", "input()"]
        with subprocess.Popen(command, stdin=subprocess.PIPE, pass_fds=[server.fileno()]) as program:
            port = server.getsockname()[1]
            server.close()
            yield port, program.pid
            program.communicate(b"\n")


@pytest.mark.parametrize("address", ["127.0.0.1", "0.0.0.0", ""])
def test_port(preflight: Any, taken: tuple[int, int], address: str) -> None:
    """A port that another has is a fault which names the key, the port, the program and its process."""
    port, pid = taken
    wanted = [("rabbitmq:port", address, port)]
    name = (HERE / str(pid) / "comm").read_text().strip()
    said = f"port {port} is taken by {name} (pid {pid}); stop it"
    assert ask(preflight, ports=wanted) == [f"rabbitmq:port: {said}, or choose another port"]
    assert ask(preflight, ports=[("Erlang's epmd", address, port)]) == [f"Erlang's epmd: {said}"]
    assert ask(preflight, ports=[("gunicorn:bind", address, port)], mode="development") == []
    assert ask(preflight, ["worker"], ports=wanted) == []


def test_port_elsewhere(preflight: Any) -> None:
    """The same port of another address is free."""
    preflight.PROC, preflight.MEMORY = HERE, {}
    with socket.create_server(("127.0.0.2", 0)) as server:
        port = server.getsockname()[1]
        assert ask(preflight, ports=[("rabbitmq:port", "127.0.0.1", port)]) == []
        assert len(ask(preflight, ports=[("rabbitmq:port", "127.0.0.2", port)])) == 1


def test_port_of_the_service(preflight: Any, taken: tuple[int, int], tmp_path: Path) -> None:
    """What listens is the service itself: by its user, by its pid file, or by its program."""
    port, pid = taken
    name = (HERE / str(pid) / "comm").read_text().strip()
    owners = preflight.OWNERS
    wanted = [("nginx:sites:shop:listen", "", port)]
    owners["nginx"] = ((), "run/nginx.pid", "nginx")
    assert len(ask(preflight, ports=wanted)) == 1
    (tmp_path / "run").mkdir()
    (tmp_path / "run/nginx.pid").write_text(f"{pid}\n")
    assert ask(preflight, ports=wanted) == []
    (tmp_path / "run/nginx.pid").write_text("1\n")
    assert len(ask(preflight, ports=wanted)) == 1
    owners["nginx"] = ((), "", name)
    assert ask(preflight, ports=wanted) == []
    owners["nginx"] = (("none", preflight.pwd.getpwuid(os.getuid()).pw_name), "", "nginx")
    assert ask(preflight, ports=wanted) == []


def test_port_where_root_may_not_look(preflight: Any, taken: tuple[int, int], tmp_path: Path) -> None:
    """In a container whose root may not see what others have open, the service's process and user are known."""
    port, pid = taken
    name = (HERE / str(pid) / "comm").read_text().strip()

    def refuse(_path: Path) -> str:
        raise PermissionError

    preflight.os.readlink = refuse
    (tmp_path / "run").mkdir()
    (tmp_path / "run/nginx.pid").write_text(f"{pid}\n")
    wanted = [("nginx:sites:shop:listen", "", port)]
    preflight.OWNERS["nginx"] = ((), "run/nginx.pid", name)
    assert ask(preflight, ports=wanted) == []
    preflight.OWNERS["nginx"] = ((), "run/nginx.pid", "nginx")
    user = preflight.pwd.getpwuid(os.getuid()).pw_name
    assert ask(preflight, ports=wanted) == [
        f"nginx:sites:shop:listen: port {port} is taken by a process of user {user}; stop it, or choose another port"
    ]


DEAD = ("Could not connect", None)


@pytest.mark.parametrize(
    ("sources", "faults", "notes"),
    [
        ({}, ["archive: apt has no sources; see /etc/apt/sources.list"], []),
        ({"a": ("", None)}, [], []),
        ({"a": DEAD, "b": ("", None)}, [], ["archive: a does not answer: Could not connect"]),
        (
            {"a": DEAD, "b": DEAD},
            ["archive: a does not answer (nor 1 more): Could not connect; see the network and apt's sources"],
            [f"archive: {name} does not answer: Could not connect" for name in "ab"],
        ),
    ],
)
def test_archive(preflight: Any, tmp_path: Path, sources: dict[str, Any], faults: list[str], notes: list[str]) -> None:
    """No source that answers is a fault, one of several a note; asked where packages are missing, or for the doctor."""
    preflight.sources = lambda: sources
    assert ask(preflight) == []
    assert ask(preflight, thorough=True) == faults
    assert preflight.notes() == notes
    (tmp_path / "usr/sbin/nginx").unlink()
    assert ask(preflight) == faults
    assert ask(preflight, ["worker"]) == []


def test_clock_of_the_archive(preflight: Any) -> None:
    """An archive from tomorrow is a fault of the clock; one from yesterday may be a cache's, and a note."""
    preflight.sources = lambda: {"a": ("", time.time() + 90000)}
    (fault,) = ask(preflight, thorough=True)
    assert fault.startswith("clock: it is ")
    preflight.sources = lambda: {"a": ("", time.time() - 90000)}
    assert ask(preflight, thorough=True) == []
    (note,) = preflight.notes()
    assert note.startswith("clock: it is ")


def test_sources(load: Callable[..., Any]) -> None:
    """apt's own programs are asked: which sources there are, and what each says."""
    module = load("_utils/preflight")
    uris = {"http://dead.example/": "", "http://good.example/dists/x/": "InRelease", "http://old.example/": "Release"}

    def run(command: list[str], **_options: Any) -> subprocess.CompletedProcess[str]:
        if command[0] == "apt-get":
            listed = [f"'{uri}InRelease' name 0\n'{uri}main/Packages.xz' name 0\n" for uri in uris]
            return subprocess.CompletedProcess(command, 0, "".join(listed), "")
        folder, _, name = command[-2].rpartition("/")
        if uris[f"{folder}/"] == name:
            return subprocess.CompletedProcess(
                command, 0, "", "HTTP/1.1 200 OK\r\nDate: Tue, 24 Nov 2026 15:00:00 GMT\r\n"
            )
        reason = "404  Not Found" if uris[f"{folder}/"] else "Could not connect to dead.example"
        return subprocess.CompletedProcess(
            command, 100, "", f"E: Failed to fetch {command[-2]}  {reason}\nE: Download Failed\n"
        )

    module.subprocess = SimpleNamespace(**{**vars(subprocess), "run": run})
    date = 1795532400.0
    good = ("", date)
    dead = ("Could not connect to dead.example", None)
    assert module.sources() == dict(zip(uris, (dead, good, good), strict=True))
