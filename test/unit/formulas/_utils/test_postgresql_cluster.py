"""Clusters as they are: by the server that runs, and by all files that configure one that does not."""

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

NAME = "17/main"
PID = "4242\n{data}\n1700000000\n{port}\n/run/postgresql\nlocalhost\n"


class Host:
    """A host of a temporary directory, its calls of Debian's tools noted."""

    def __init__(self, module: Any, top: Path) -> None:
        self.module, self.top = module, top
        self.did: list[str] = []
        module.SETTINGS, module.DATA, module.PROC = top / "etc", top / "var", top / "proc"
        module.programs = SimpleNamespace(call=lambda *command, cwd: self.did.append(" ".join(command)))  # noqa: ARG005

    def has(self, files: dict[str, str]) -> None:
        """Files."""
        for name, text in files.items():
            path = self.top / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(text.encode("latin-1"))

    def main(self) -> Any:
        """What is known of the cluster."""
        return self.module.found()[NAME]


@pytest.fixture
def host(load: Callable[..., Any], tmp_path: Path) -> Host:
    """A host with a cluster, stopped, that holds a database."""
    found = Host(load("_utils/postgresql_cluster"), tmp_path)
    found.has({"etc/17/main/postgresql.conf": "", "var/17/main/base/16384/1": "", "var/17/main/base/1/1": ""})
    return found


@pytest.mark.parametrize(
    ("files", "port"),
    [
        ({"etc/17/main/postgresql.conf": ""}, 5432),
        ({"etc/17/main/postgresql.conf": "#port = 5440\n# \xfcml\nport 5433 # moved\n"}, 5433),
        ({"etc/17/main/postgresql.conf": "Port=5433\nport = '5434'\n"}, 5434),
        (
            {
                "etc/17/main/postgresql.conf": "include_dir = 'conf.d'\nport = 5433\n",
                "etc/17/main/conf.d/a.conf": "port = 1",
            },
            5433,
        ),
        (
            {
                "etc/17/main/postgresql.conf": "port = 5433\ninclude_dir 'conf.d'\n",
                "etc/17/main/conf.d/a.conf": "port = 1",
                "etc/17/main/conf.d/b.conf": "port = 5435",
                "etc/17/main/conf.d/c": "port = 2",
            },
            5435,
        ),
        (
            {
                "etc/17/main/postgresql.conf": "include_if_exists = '../no'\ninclude = '../x'\n",
                "etc/17/x": "port = 5436",
            },
            5436,
        ),
        (
            {
                "etc/17/main/postgresql.conf": "data_directory = '{top}/srv'\nport = 5433\n",
                "srv/postgresql.auto.conf": "port = '5437'",
            },
            5437,
        ),
    ],
)
def test_port(host: Host, files: dict[str, str], port: int) -> None:
    """Every place that PostgreSQL reads counts, in its order."""
    host.has({name: text.replace("{top}", str(host.top)) for name, text in files.items()})
    assert (host.main()["port"], host.main()["runs"]) == (port, False)


def test_running(host: Host) -> None:
    """A server that runs says its port itself; what a dead one has left does not count."""
    host.has(
        {"etc/17/main/postgresql.conf": "port = 5433\n", "var/17/main/postmaster.pid": PID.format(data="", port=5440)}
    )
    assert (host.main()["port"], host.main()["runs"]) == (5433, False)
    host.has({"proc/4242/comm": "less\n"})
    assert not host.main()["runs"]
    host.has({"proc/4242/comm": "postgres\n"})
    assert (host.main()["port"], host.main()["runs"]) == (5440, True)
    host.has({"var/17/main/postmaster.pid": "4242\n"})  # it is being written
    assert not host.main()["runs"]


def test_movable(host: Host) -> None:
    """One that the formula has made, or that is empty and stopped."""
    assert not host.main()["movable"]
    (host.top / "var/17/main/base/16384/1").unlink()
    (host.top / "var/17/main/base/16384").rmdir()
    assert host.main()["movable"]
    host.has({"var/17/main/postmaster.pid": PID.format(data="", port=5432), "proc/4242/comm": "postgres\n"})
    assert not host.main()["movable"]
    host.module.mark(NAME, 5432)
    assert host.main()["movable"]


@pytest.mark.parametrize(("line", "tools"), [("include_dir = 'conf.d'", 0), ("", 1)])
@pytest.mark.parametrize("runs", [True, False])
def test_move(host: Host, line: str, tools: int, runs: bool) -> None:
    """Its own file says the port, or the main one where that is not read; a server that runs is restarted."""
    host.has({"etc/17/main/postgresql.conf": line})
    if runs:
        host.has({"var/17/main/postmaster.pid": PID.format(data="", port=5432), "proc/4242/comm": "postgres\n"})
    host.module.move(NAME, 5440)
    wanted = ["pg_conftool 17 main set port 5440"] * tools + ["pg_ctlcluster 17 main restart"] * runs
    assert host.did == wanted
    assert (host.top / "etc/17/main/conf.d/salt.conf").read_text().endswith("port = 5440\n")


def test_sockets(host: Host) -> None:
    """All directories of sockets."""
    assert host.main()["sockets"] == ["/var/run/postgresql"]
    host.has({"etc/17/main/postgresql.conf": "unix_socket_directories = '/tmp , /run/x'\n"})
    assert host.main()["sockets"] == ["/tmp", "/run/x"]
