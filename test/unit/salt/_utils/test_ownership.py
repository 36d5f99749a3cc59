"""Before the first change a run knows whose everything is that it would take."""

import hashlib
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from salt.exceptions import CommandExecutionError

UNIT = "/etc/systemd/system/gunicorn.service"
BROKER: dict[str, Any] = {"vhosts": ["phage"], "users": {"master": {}}, "absent": {"users": ["guest"]}}
CLUSTER: dict[str, Any] = {"roles": {"super": {}}, "databases": {"phage": {}}, "port": 5432}


def chunk(function: str, name: str, **arguments: Any) -> dict[str, Any]:
    """A state in Salt's low form."""
    state, _, fun = function.partition(".")
    return {"state": state, "fun": fun, "name": name, **arguments}


TOPOLOGY = [
    chunk("rabbitmq_topology.managed", "rabbitmq"),
    chunk("postgresql_cluster.present", "17/main"),
    chunk("postgresql_topology.managed", "postgresql"),
]


class Host:
    """A host below a directory, with users, groups, a broker and a cluster."""

    def __init__(self, module: Any, monkeypatch: pytest.MonkeyPatch, top: Path) -> None:
        self.module, self.top, claims = module, top, sys.modules["claims"]
        self.take: list[str] = []
        self.users: list[Any] = []
        self.groups: list[Any] = []
        self.broker: Any = None
        self.databases: dict[str, Path] = {}
        self.cluster: Any = {"roles": {}, "databases": {}}
        self.asked: list[str] = []
        monkeypatch.setattr(claims, "ROOT", top)
        found = {"getpwnam": ("pw_name", "users"), "getpwuid": ("pw_uid", "users")}
        for name, (field, table) in found.items():
            monkeypatch.setattr(claims.pwd, name, self.finder(field, table))
        monkeypatch.setattr(claims.pwd, "getpwall", lambda: self.users)
        monkeypatch.setattr(claims.grp, "getgrnam", self.finder("gr_name", "groups"))
        monkeypatch.setattr(claims.grp, "getgrgid", self.finder("gr_gid", "groups"))

    def finder(self, field: str, table: str) -> Callable[[Any], Any]:
        """A function as those of pwd and grp."""

        def find(value: Any) -> Any:
            found = [each for each in getattr(self, table) if getattr(each, field) == value]
            if not found:
                raise KeyError(value)
            return found[0]

        return find

    def user(self, name: str, uid: int, gid: int, home: str, shell: str = "/bin/bash") -> None:
        """There is a user."""
        self.users.append(SimpleNamespace(pw_name=name, pw_uid=uid, pw_gid=gid, pw_dir=home, pw_shell=shell))

    def group(self, name: str, gid: int, *members: str) -> None:
        """There is a group."""
        self.groups.append(SimpleNamespace(gr_name=name, gr_gid=gid, gr_mem=list(members)))

    def has(self, *paths: str, text: str = "") -> None:
        """There are files."""
        for path in paths:
            file = self.top / path.lstrip("/")
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)

    def _read(self, what: str, value: Any) -> Any:
        self.asked.append(what)
        if isinstance(value, Exception):
            raise value
        return value

    def judge(self, *chunks: dict[str, Any]) -> tuple[list[str], set[str], bool]:
        """What a run with these states would hear."""
        phagescan = {"user": "avuser", "root": "/opt/phagescan", "take": self.take}
        return self.module.judge(
            chunks,
            {"phagescan": phagescan, "rabbitmq": BROKER, "postgresql": CLUSTER},
            installed=lambda: self.broker is not None,
            databases=lambda: self.databases,
            broker=lambda: self._read("broker", self.broker),
            cluster=lambda _port: self._read("cluster", self.cluster),
        )

    def lines(self, *chunks: dict[str, Any]) -> list[str]:
        """What is refused."""
        return self.judge(*chunks)[0]


@pytest.fixture
def host(load: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Host:
    """A bare host."""
    return Host(load("_utils/ownership"), monkeypatch, tmp_path)


def test_bare(host: Host) -> None:
    """On a bare host all is free; once it is recorded it is ours, whatever is there, and nothing is asked."""
    run = [
        chunk("file.managed", UNIT),
        chunk("user.present", "avuser", home="/opt/phagescan"),
        chunk("group.present", "avuser"),
        chunk("source_tree.copied", "/opt/phagescan"),
        chunk("file.absent", "/etc/nginx/tls/server.pem"),
        chunk("pkg.installed", "nginx"),
        *TOPOLOGY,
    ]
    lines, new, adopted = host.judge(*run)
    assert (lines, adopted) == ([], False)
    names = {f"file {UNIT}", "user avuser", "group avuser", "directory /opt/phagescan"}
    assert new == names | {"vhost phage", "broker user master", "broker user guest", "role super", "database phage"}
    (host.top / "etc/phagescan").mkdir(parents=True)
    host.module.record(new)
    host.has(UNIT, "/opt/phagescan/any", f"{UNIT}.d/override.conf", "/etc/postgresql/17/main/postgresql.conf")
    host.user("avuser", 1, 1, "/home/avuser")
    host.broker = {"vhosts": [{"name": "phage"}], "users": [{"name": "master"}, {"name": "guest"}]}
    assert host.judge(*run) == ([], set(), False)
    assert not host.asked


@pytest.mark.parametrize(
    ("there", "wanted"),
    [
        (UNIT, UNIT),
        ("/etc/systemd/system/gunicorn.socket", UNIT),
        ("/usr/lib/systemd/system/gunicorn.service", UNIT),
        ("/etc/systemd/system/gunicorn.service.d/theirs.conf", UNIT),
        ("/etc/init.d/gunicorn", UNIT),
        ("/etc/systemd/system/supervisord.service", "/usr/local/lib/systemd/system/supervisord.service"),
        ("/etc/init.d/celeryd", "/etc/init.d/celeryd"),
        ("/etc/systemd/system/celeryd.service", "/etc/init.d/celeryd"),
        ("/etc/logrotate.d/phagescan", "/etc/logrotate.d/phagescan"),
        ("/etc/nginx/sites-enabled/phagescan", "/etc/nginx/sites-enabled/phagescan"),
    ],
)
def test_file_of_somebody(host: Host, there: str, wanted: str) -> None:
    """A file, a unit, a socket or a script of somebody's is named, and what to do."""
    host.has(there)
    (line,) = host.lines(chunk("file.managed", wanted))
    assert line.startswith(f"file {there}: ")
    assert ("phagescan:take" in line) == (there == wanted)
    assert "move it away" in line or "disable and remove it" in line


def test_neighbours_of_other_names(host: Host) -> None:
    """What merely begins with a service's name is another service's; ours may have a drop-in of our own."""
    drop_in = "/etc/systemd/system/celeryd.service.d/network.conf"
    host.has("/etc/systemd/system/celeryd-other.service", drop_in)
    host.module.record([f"file {drop_in}"])
    unit = "/etc/systemd/system/celeryd.service"
    assert host.lines(chunk("file.managed", unit), chunk("file.managed", drop_in)) == []


def test_socket_of_a_service_that_is_ours(host: Host) -> None:
    """systemd would hand a socket that came later to our service."""
    host.module.record([f"file {UNIT}"])
    host.has(UNIT, "/etc/systemd/system/gunicorn.socket")
    (line,) = host.lines(chunk("file.managed", UNIT))
    assert line.startswith("file /etc/systemd/system/gunicorn.socket: belongs to a service gunicorn that is not ours")


def test_removed(host: Host) -> None:
    """A file that a run would remove is somebody's, too, unless it is recorded; what is not there is not recorded."""
    path = "/etc/rabbitmq/conf.d/60-tls.conf"
    assert host.judge(chunk("file.absent", path)) == ([], set(), False)
    host.has(path)
    (line,) = host.lines(chunk("file.absent", path))
    assert line.startswith(f"file {path}: is not ours and would be removed; ")
    host.module.record([f"file {path}"])
    assert host.lines(chunk("file.absent", path)) == []


def test_default_site(host: Host) -> None:
    """The link to Debian's default site goes where nothing in that was changed."""
    link = chunk("dpkg.link_absent", "/etc/nginx/sites-enabled/default")
    host.has("/etc/nginx/sites-available/default", text="server {}\n")
    (host.top / "etc/nginx/sites-enabled").mkdir()
    (host.top / "etc/nginx/sites-enabled/default").symlink_to(host.top / "etc/nginx/sites-available/default")
    digest = hashlib.md5(b"server {}\n", usedforsecurity=False).hexdigest()
    host.has("/var/lib/dpkg/status", text=f"Conffiles:\n /etc/nginx/sites-available/default {digest}\n")
    assert host.lines(link) == []
    host.has("/etc/nginx/sites-available/default", text="server { mine; }\n")
    (line,) = host.lines(link)
    assert line.startswith("file /etc/nginx/sites-enabled/default: was changed here and would be disabled; ")


def test_directories(host: Host) -> None:
    """A directory that would be emptied holds nothing; one that is shared stays its owner's."""
    tree, log = (
        chunk("source_tree.copied", "/opt/phagescan"),
        chunk("file.directory", "/var/log/phagescan", user="avuser"),
    )
    (host.top / "opt/phagescan").mkdir(parents=True)
    (host.top / "var/log/phagescan").mkdir(parents=True)
    (line,) = host.lines(tree, log)
    assert line.startswith("directory /var/log/phagescan: is ")
    host.user("avuser", (host.top / "var").stat().st_uid, 1, "/opt/phagescan")
    host.has("/opt/phagescan/manage.py")
    (line,) = host.lines(tree, log)
    said = "directory /opt/phagescan: holds manage.py, which is not ours and would be removed"
    advice = "move it away, choose another name (phagescan:root), or give it to Phagescan"
    assert line == f"{said}; {advice} (phagescan:take: ['directory /opt/phagescan'] in pillar/local.sls)"
    host.take = ["directory /opt/phagescan"]
    assert host.lines(tree, log) == []


def test_users_and_groups(host: Host) -> None:
    """A user as we would make it does, wherever it comes from, and a group that no one else is in."""
    user = chunk("user.present", "avuser", home="/opt/phagescan", shell="/bin/bash", gid="avuser")
    group = chunk("group.present", "avuser")
    host.group("avuser", 900)
    assert host.lines(group, user) == []
    host.user("avuser", 900, 900, "/opt/phagescan")
    assert host.lines(group, user) == []
    host.users.clear()
    host.group("users", 100)
    host.user("avuser", 1000, 100, "/home/avuser")
    host.user("ada", 1001, 900, "/home/ada")
    first, second = host.lines(group, user)
    assert first.startswith("group avuser: has members who would read what is the application's: ada; ")
    assert second.startswith(
        "user avuser: is not ours (uid 1000, home /home/avuser, group users) and would be changed; "
    )
    assert "choose another name (phagescan:user)" in second


def test_programs(host: Host) -> None:
    """A program of Supervisor that another file has."""
    program = chunk("supervisor_program.running", "celerycam")
    host.has("/etc/supervisor/conf.d/celerycam.conf", text="[program:celerycam]\n")
    assert host.lines(program) == []
    host.has("/etc/supervisor/conf.d/shop.conf", text="; theirs\n[program:celerycam]\n")
    (line,) = host.lines(program)
    assert line.startswith("supervisor program celerycam: is of /etc/supervisor/conf.d/shop.conf, which is not ours; ")
    host.has("/etc/supervisor/conf.d/shop.conf", text="[program:shop]\n")
    host.has("/etc/supervisor/supervisord.conf", text="[supervisord]\n[program:celerycam]\n")
    (line,) = host.lines(program)
    assert line.startswith("supervisor program celerycam: is of /etc/supervisor/supervisord.conf, which is not ours; ")


def test_broker_and_cluster_that_were_here_first(host: Host) -> None:
    """Names that they have are somebody's, and what would be removed is asked for."""
    host.broker = {"vhosts": [{"name": "phage"}], "users": [{"name": "guest"}, {"name": "theirs"}]}
    host.has("/etc/postgresql/17/main/postgresql.conf")
    host.cluster = {"roles": {"super": {}, "theirs": {}}, "databases": {"phage": "theirs"}}
    lines = host.lines(*TOPOLOGY)
    said = [line.partition(";")[0] for line in lines]
    assert said == [
        "broker user guest: was at rabbitmq-server first and would be removed",
        "vhost phage: was at rabbitmq-server first and would be changed",
        "database phage: was at postgresql first and would be changed",
        "role super: was at postgresql first and would be changed",
    ]
    host.take = ["broker user guest", "vhost phage", "database phage", "role super"]
    assert host.lines(*TOPOLOGY) == []


def test_broker_that_is_ours(host: Host) -> None:
    """Later pillar says what is removed there, and only a new name is asked for."""
    host.module.record(["vhost phage", "broker user master", "role super", "database phage"])
    host.broker = {"vhosts": [], "users": [{"name": "guest"}]}
    assert host.judge(*TOPOLOGY) == ([], set(), False)
    assert not host.asked
    host.module.record(["vhost phage", "broker user old", "role super", "database phage"])
    assert host.judge(*TOPOLOGY) == ([], {"broker user master"}, False)
    assert host.asked == ["broker"]


def test_broker_that_does_not_answer(host: Host) -> None:
    """One that has a database is to be started; one that never ran has nothing."""
    host.broker = CommandExecutionError("no connection")
    assert host.lines(*TOPOLOGY) == []
    host.databases = {"rabbit@localhost": host.top}
    (line,) = host.lines(*TOPOLOGY)
    assert line.startswith("service rabbitmq-server: was here first and does not answer")
    assert line.endswith("(no connection); start it: service rabbitmq-server start")


@pytest.mark.parametrize("mark", ["/etc/phagescan/master.toml", "/etc/phagescan/worker.toml"])
def test_adopted(host: Host, mark: str) -> None:
    """A host that a release without a record has converged is adopted once, without a look."""
    host.has(mark, UNIT, UNIT.replace("service", "socket"))
    assert host.module.ours(UNIT)
    assert not host.module.ours("/etc/init.d/celeryd")
    host.broker = CommandExecutionError("down")
    lines, new, adopted = host.judge(chunk("file.managed", UNIT), *TOPOLOGY)
    topology = {"vhost phage", "broker user master", "broker user guest", "role super", "database phage"}
    assert (lines, new, adopted) == ([], {f"file {UNIT}"} | topology, True)
    assert not host.asked
    host.module.record(new)
    (host.top / UNIT.lstrip("/")).with_suffix(".socket").unlink()
    assert host.judge(chunk("file.managed", UNIT), *TOPOLOGY) == ([], set(), False)
    assert host.module.ours(UNIT)
    host.has("/etc/logrotate.d/phagescan")
    assert len(host.lines(chunk("file.managed", "/etc/logrotate.d/phagescan"))) == 1
