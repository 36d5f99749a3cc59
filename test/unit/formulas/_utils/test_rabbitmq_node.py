"""Which broker is here: by its process, and by its configuration where none runs."""

import os
import pwd
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

WANTED = "rabbit@localhost"


class Host:
    """A host of a temporary directory, called here.example."""

    def __init__(self, load: Callable[..., Any], top: Path) -> None:
        self.module, self.top = load("_utils/rabbitmq_node"), top
        self.module.PROC, self.module.DATABASES = top / "proc", top / "mnesia"
        self.module.SETTINGS, self.module.UNITS = top / "etc", top / "units"
        self.module.ENVIRONMENT, self.module.DEFAULTS = top / "etc/rabbitmq-env.conf", top / "default"
        self.module.USER = pwd.getpwuid(os.getuid()).pw_name
        self.module.socket = SimpleNamespace(gethostname=lambda: "here.example")

    def process(self, pid: int, *files: str, comm: str = "beam.smp", root: str = "/") -> None:
        """A process has these files open."""
        folder = self.top / f"proc/{pid}"
        (folder / "fd").mkdir(parents=True)
        (folder / "comm").write_text(f"{comm}\n")
        (folder / "root").symlink_to(root)
        for number, file in enumerate(("socket:[1]", "/dev/null", *files)):
            (folder / "fd" / str(number)).symlink_to(file)

    def has(self, files: dict[str, str]) -> None:
        """Configuration."""
        for name, text in files.items():
            path = self.top / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)

    def databases(self, *names: str, base: str = "mnesia") -> None:
        """Directories of databases."""
        for name in names:
            (self.top / base / name).mkdir(parents=True)


@pytest.fixture
def host(load: Callable[..., Any], tmp_path: Path) -> Host:
    """A bare host."""
    return Host(load, tmp_path)


@pytest.mark.parametrize(
    ("files", "node", "data"),
    [
        (["/var/log/rabbitmq/rabbit@new.log", "/m/rabbit@new/LATEST.LOG"], "rabbit@new", "/m/rabbit@new"),
        (["/m/rabbit@new/coordination/rabbit@new/meta.dets"], "rabbit@new", "/m/rabbit@new"),
        (["/srv/a@b/rabbit@new/quorum/rabbit@new/names.dets"], "rabbit@new", "/srv/a@b/rabbit@new"),
        (["/srv/data/LATEST.LOG", "/srv/data/coordination/bunny@new.example/1.wal"], "bunny@new.example", "/srv/data"),
        (
            ["/m/rabbit@new-plugins-expand/x/y", "/m/rabbit@new/msg_stores/vhosts/A/1.rdq"],
            "rabbit@new",
            "/m/rabbit@new",
        ),
    ],
)
def test_running(host: Host, files: list[str], node: str, data: str) -> None:
    """The node that runs is known by the files that it has open, whatever directories hold; rabbitmqctl, a process in
    a container and other programs are none.
    """
    host.databases("rabbit@old", "rabbit@new", "rabbit@here")
    host.has({"etc/rabbitmq-env.conf": "NODENAME=rabbit@old\n"})
    host.process(2, "/dev/null")
    host.process(3, "/m/rabbit@other/x", root=str(host.top))
    host.process(4, "/m/rabbit@other/x", comm="less")
    assert host.module.running() is None
    host.process(5, *files)
    assert host.module.running() == (node, Path(data))
    assert host.module.name(WANTED) == node
    assert host.module.base() == Path(data).parent
    assert host.module.choices() == {node: Path(data)}


def test_where_root_may_not_look(host: Host) -> None:
    """In a container of few rights the broker's own user is asked."""
    host.process(5)

    def run(command: list[str], user: str, **_options: Any) -> SimpleNamespace:
        assert (command[1], user) == (str(host.top / "proc/5/fd"), host.module.USER)
        return SimpleNamespace(stdout="/dev/null\n/m/rabbit@new/LATEST.LOG\n")

    def readlink(_path: Path) -> str:
        raise PermissionError

    host.module.programs = SimpleNamespace(run=run)
    host.module.os = SimpleNamespace(**vars(os) | {"readlink": readlink})
    assert host.module.name(WANTED) == "rabbit@new"


@pytest.mark.parametrize(
    ("databases", "files", "name", "choices"),
    [
        ([], {}, WANTED, 0),
        (["rabbit@old"], {}, "rabbit@old", 1),
        (["rabbit@old", "rabbit@old-plugins-expand"], {}, "rabbit@old", 1),
        (["rabbit@old", "rabbit@here"], {}, "rabbit@here", 1),
        (["rabbit@old", "rabbit@new"], {}, WANTED, 2),
        (
            ["rabbit@old", "rabbit@new"],
            {"etc/rabbitmq-env.conf": "# NODENAME=x\nNODENAME=rabbit@new\n"},
            "rabbit@new",
            1,
        ),
        (["rabbit@old", "bunny@here"], {"etc/rabbitmq-env.conf": "RABBITMQ_NODENAME='bunny'"}, "bunny@here", 1),
        (["rabbit@old"], {"etc/rabbitmq-env.conf": "NODENAME=rabbit@$(hostname)"}, "rabbit@old", 1),
        (["rabbit@old"], {"etc/rabbitmq-env.conf": "NODENAME=rabbit@new"}, "rabbit@new", 0),
        (["rabbit@old", "rabbit@new"], {"default": "export RABBITMQ_NODENAME=rabbit@old"}, "rabbit@old", 1),
        (
            ["rabbit@old", "rabbit@new"],
            {
                "units/rabbitmq-server.service.d/x.conf": '[Service]\nEnvironment="RABBITMQ_NODENAME=rabbit@old" A=b\n',
                "etc/rabbitmq-env.conf": "NODENAME=rabbit@new",
            },
            "rabbit@old",
            1,
        ),
    ],
)
def test_stopped(host: Host, databases: list[str], files: dict[str, str], name: str, choices: int) -> None:
    """Where none runs its configuration decides, then the one database, then the host's name; else it is not known."""
    host.databases(*databases)
    host.has(files)
    assert (host.module.name(WANTED), len(host.module.choices())) == (name, choices)


def test_moved(host: Host) -> None:
    """Data that were moved are found by the broker's environment."""
    host.databases("rabbit@old", base="srv")
    host.has({"etc/rabbitmq-env.conf": f"MNESIA_BASE={host.top}/srv\n"})
    assert (host.module.name(WANTED), host.module.base()) == ("rabbit@old", host.top / "srv")
    host.has({"etc/rabbitmq-env.conf": f"MNESIA_DIR={host.top}/srv/rabbit@old\nNODENAME=bunny@x\n"})
    assert host.module.choices() == {"bunny@x": host.top / "srv/rabbit@old"}


@pytest.mark.parametrize(
    ("there", "files", "ours"),
    [
        (False, {}, True),
        (True, {}, False),
        (True, {"etc/conf.d/50-salt.conf": "listeners.tcp.1 = 127.0.0.1:5672\n"}, True),
        (True, {"etc/conf.d/50-salt.conf": "consumer_timeout = 1\n"}, False),
        (
            True,
            {"etc/rabbitmq-env.conf": 'SERVER_ADDITIONAL_ERL_ARGS="-kernel inet_dist_use_interface {127,0,0,1}"\n'},
            True,
        ),
        (False, {"etc/rabbitmq.conf": "listeners.tcp.default = 5672\n"}, False),
        (False, {"etc/rabbitmq.conf": "# listeners.tcp.default = 5672\n"}, True),
        (False, {"etc/conf.d/10-x.conf": "listeners.ssl.default = 5671\n"}, False),
        (False, {"etc/advanced.config": "[{rabbit,\n [{tcp_listeners, [5672]}]}]."}, False),
        (False, {"etc/advanced.config": "[{rabbit,\n [% {tcp_listeners, [5672]}\n]}]."}, True),
        (False, {"default": "RABBITMQ_NODE_PORT=5673\n"}, False),
        (
            True,
            {"etc/rabbitmq.conf": "listeners.tcp.default = 1\n", "etc/conf.d/50-salt.conf": "listeners.tcp.1 = 2\n"},
            False,
        ),
    ],
)
def test_ours(host: Host, there: bool, files: dict[str, str], ours: bool) -> None:
    """Listeners are the formula's where it has made the broker, or will, and no one configures any."""
    if there:
        host.databases(WANTED)
    host.has(files)
    assert host.module.name(WANTED) == WANTED
    assert host.module.ours(WANTED) is ours
    assert not host.module.ours("rabbit@other") or not there
