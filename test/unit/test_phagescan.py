"""What is wrong with a pillar or a host is said before anything is touched, and without showing a password."""

import copy
from collections.abc import Callable
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
import yaml
from salt.exceptions import CommandExecutionError
from salt.utils import dictupdate

PILLAR = Path(__file__).parents[2] / "pillar"
PASSWORD_KEYS = [
    "rabbitmq:users:phagemasteruser:password",
    "rabbitmq:users:phageworkeruser:password",
    "postgresql:roles:citestsuper:password",
    "phagescan:admin:password",
    "phagescan:secret_key",
]
REMOVED = object()


def put(pillar: dict[str, Any], key: str, value: Any) -> None:
    """Set what stands under a colon-separated key, or remove it."""
    *path, last = key.split(":")
    for part in path:
        pillar = pillar.setdefault(part, {})
    if value is REMOVED:
        del pillar[last]
    else:
        pillar[last] = value


@pytest.fixture(scope="module")
def shipped() -> dict[str, Any]:
    """The pillar as it is shipped, with passwords as bootstrap makes them."""
    pillar: dict[str, Any] = {}
    for path in sorted(PILLAR.glob("*.sls")):
        if path.name not in ("top.sls", "credentials.sls"):
            dictupdate.update(pillar, yaml.safe_load(path.read_text()))
    for number, key in enumerate(PASSWORD_KEYS):
        put(pillar, key, f"unit-{number}-" + "0123456789" * 5)
    return pillar


@pytest.fixture
def phagescan(
    load: Callable[..., ModuleType], minion: Callable[..., SimpleNamespace], shipped: dict[str, Any], tmp_path: Path
) -> Callable[..., ModuleType]:
    """Makes the module on a host below tmp_path, with keys of the pillar set otherwise."""

    def make(changed: dict[str, Any] | None = None, **grains: Any) -> ModuleType:
        pillar = copy.deepcopy(shipped)
        for key, value in (changed or {}).items():
            put(pillar, key, value)
        made = minion(pillar, **grains)
        module = load("_modules/phagescan", __salt__=made.salt, __grains__=made.opts["grains"])
        module.pathlib = SimpleNamespace(Path=lambda path: tmp_path / path.lstrip("/"))
        return module

    return make


def test_shipped_pillar(phagescan: Callable[..., ModuleType]) -> None:
    """What is shipped has no faults, for either role, in either mode, and on each release."""
    for changed in ({}, {"phagescan:roles": ["worker"]}, {"phagescan:roles": "worker"}, {"phagescan:mode": "development"}):
        assert phagescan(changed).faults() == []
    for release in ("Debian-13", "Debian-12", "Ubuntu-24.04"):
        assert phagescan(osfinger=release).faults() == []
    assert phagescan().doctor() == "No faults in pillar or host."


@pytest.mark.parametrize(
    ("key", "value", "fault"),
    [
        ("phagescan:mode", "debug", "phagescan:mode: debug is not a mode; modes: production, development"),
        ("phagescan:mode", REMOVED, "phagescan:mode: None is not a mode"),
        ("phagescan:roles", ["master", "slave"], "phagescan:roles: slave is not a role; roles: master, worker"),
        ("phagescan:root", REMOVED, "phagescan:root: is missing; see phagescan.sls in pillar/"),
        ("phagescan:user", "", "phagescan:user: is missing"),
        ("phagescan:broker:host", REMOVED, "phagescan:broker:host: is missing"),
        ("phagescan:database:name", REMOVED, "phagescan:database:name: is missing"),
        ("phagescan:broker:master", "nobody", "phagescan:broker:master: nobody is not in rabbitmq:users"),
        ("phagescan:broker:worker", "nobody", "phagescan:broker:worker: nobody is not in rabbitmq:users"),
        ("phagescan:database:user", "nobody", "phagescan:database:user: nobody is not in postgresql:roles"),
        ("phagescan:database:name", "none", "phagescan:database:name: none is not in postgresql:databases"),
        ("phagescan:broker:vhost", "none", "phagescan:broker:vhost: none is not in rabbitmq:vhosts"),
        (
            "rabbitmq:users:phageworkeruser:permissions",
            {"none": [".*", ".*", ".*"]},
            "rabbitmq:users:phageworkeruser:permissions: vhost none is not in rabbitmq:vhosts",
        ),
        (
            "rabbitmq:users:phageworkeruser:permissions:phage",
            [".*", ".*"],
            "rabbitmq:users:phageworkeruser:permissions:phage: must be [configure, write, read]",
        ),
        (
            "rabbitmq:users:phageworkeruser:permissions:phage",
            ".*",
            "rabbitmq:users:phageworkeruser:permissions:phage: must be [configure, write, read]",
        ),
        ("rabbitmq:absent:users", ["phagemasteruser"], "rabbitmq:absent:users: phagemasteruser is in rabbitmq:users, too"),
        ("postgresql:databases:phage:owner", "nobody", "postgresql:databases:phage:owner: nobody is not in postgresql:roles"),
        ("postgresql:databases:phage:owner", REMOVED, "postgresql:databases:phage:owner: None is not in postgresql:roles"),
    ],
)
def test_fault(phagescan: Callable[..., ModuleType], key: str, value: Any, fault: str) -> None:
    """One thing that is wrong is one line, beginning with the key to mend; the doctor says the same and fails."""
    module = phagescan({key: value})
    (found,) = module.faults()
    assert found.startswith(fault)
    with pytest.raises(CommandExecutionError, match="^" + fault.split(":", maxsplit=1)[0]):
        module.doctor()


def test_every_fault_is_told(phagescan: Callable[..., ModuleType]) -> None:
    """All that is wrong is told at once."""
    faults = phagescan({"phagescan:mode": "debug", "phagescan:root": REMOVED, PASSWORD_KEYS[0]: "short"}).faults()
    assert [fault.split(": ")[0] for fault in faults] == ["phagescan:mode", "phagescan:root", PASSWORD_KEYS[0]]


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (REMOVED, "is missing; it stands in pillar/credentials.sls"),
        ("", "is missing"),
        (1234567890123, "is not text; put it in quotes"),
        (["unit-listed-0123456789"], "is not text"),
        ("sHort-1234x", "is shorter than"),
        ("-" + "dash-0123456789" * 4, "starts with '-'"),
        ("new\nline-0123456789" * 4, "holds a control character"),
        ("nul\0byte-0123456789" * 4, "holds a control character"),
        ("longmasterpassword", "is the sample password; choose another"),
    ],
)
@pytest.mark.parametrize("key", PASSWORD_KEYS)
def test_password(phagescan: Callable[..., ModuleType], key: str, value: Any, reason: str) -> None:
    """What is wrong with a password is told with its key and never with its value."""
    (fault,) = phagescan({key: value}).faults()
    assert fault.startswith(f"{key}: {reason}")
    if value is not REMOVED and value:
        assert str(value) not in fault
        assert str(value)[:8] not in fault


def test_samples(phagescan: Callable[..., ModuleType]) -> None:
    """Every password of the sample file is refused, until the tests' own key allows them."""
    sample = yaml.safe_load((PILLAR / "credentials.sls.sample").read_text())
    changed = {}
    for key in PASSWORD_KEYS:
        value = sample
        for part in key.split(":"):
            value = value[part]
        changed[key] = value
    assert phagescan(changed).faults() == [f"{key}: is the sample password; choose another" for key in PASSWORD_KEYS]
    assert phagescan(changed | {"phagescan:allow_sample_passwords": True}).faults() == []


def test_worker_needs_no_master_passwords(phagescan: Callable[..., ModuleType]) -> None:
    """A worker is told of its broker login only."""
    changed = {"phagescan:roles": ["worker"], **dict.fromkeys(PASSWORD_KEYS[1:], REMOVED)}
    assert [fault.split(": ")[0] for fault in phagescan(changed).faults()] == [PASSWORD_KEYS[1]]


@pytest.mark.parametrize(
    "grains", [{"osfinger": "Debian-11"}, {"osfinger": "Fedora-43", "os_family": "RedHat"}, {"osfinger": None}]
)
def test_unknown_system(phagescan: Callable[..., ModuleType], grains: dict[str, Any]) -> None:
    """A system that is not known is the one fault, with what is known."""
    (fault,) = phagescan({"phagescan:mode": "debug"}, **grains).faults()
    assert fault.startswith(f"grain osfinger: {grains['osfinger']} ")
    assert "known: Debian-13, Debian-12, Ubuntu-24.04" in fault


def test_roles(phagescan: Callable[..., ModuleType]) -> None:
    """Pillar decides, then the grain, then it is a master."""
    assert phagescan().roles() == ["master"]
    assert phagescan(roles=["worker"]).roles() == ["worker"]
    assert phagescan({"phagescan:roles": ["master", "worker"]}, roles=["worker"]).roles() == ["master", "worker"]


@pytest.mark.parametrize(
    ("cluster", "config", "port", "fault"),
    [
        ("17/main", "port = 5432\n", 5432, None),
        ("17/main", "#port = 5433\n", 5432, None),
        ("17/main", "port = 5433 # moved\n", 5432, "postgresql:port: cluster 17/main listens on 5433, not on 5432"),
        ("17/main", "port = 5433\n", 5433, None),
        ("15/main", "port = 5433\n", 5432, None),
        ("15/main", "#\n port=5432\n", 5432, "postgresql:port: 5432 belongs to cluster 15/main"),
        ("17/shop", "", 5432, "postgresql:port: 5432 belongs to cluster 17/shop"),
    ],
)
def test_clusters(
    phagescan: Callable[..., ModuleType], tmp_path: Path, cluster: str, config: str, port: int, fault: str | None
) -> None:
    """A cluster that is here already keeps its port: ours is told of it, another's is not taken."""
    path = tmp_path / "etc" / "postgresql" / cluster / "postgresql.conf"
    path.parent.mkdir(parents=True)
    path.write_text(config)
    faults = phagescan({"postgresql:port": port}).faults()
    assert [found[: len(fault or "")] for found in faults] == ([fault] if fault else [])
    assert phagescan({"postgresql:port": port, "phagescan:roles": ["worker"]}).faults() == []


def test_foreign_programs(phagescan: Callable[..., ModuleType], tmp_path: Path) -> None:
    """Development stops supervisord, and so is refused while that runs programs of somebody else."""
    folder = tmp_path / "etc" / "supervisor" / "conf.d"
    folder.mkdir(parents=True)
    (folder / "celerycam.conf").touch()
    assert phagescan({"phagescan:mode": "development"}).faults() == []
    (folder / "theirs.conf").touch()
    (fault,) = phagescan({"phagescan:mode": "development"}).faults()
    assert fault.startswith("phagescan:mode: development would stop supervisord")
    assert phagescan().faults() == []


def test_canary(phagescan: Callable[..., ModuleType]) -> None:
    """The canary's one line is the answer, and its reason the failure."""
    module = phagescan()
    module.__salt__ = {
        "pillar.get": module.__salt__["pillar.get"],
        "django_site.manage": lambda _site, verb: f"{verb} ok\n",
    }
    assert module.canary() == "canary ok"

    def broken(_site: dict[str, Any], _verb: str) -> str:
        raise CommandExecutionError("manage.py canary: canary failed: broker")

    module.__salt__["django_site.manage"] = broken
    with pytest.raises(CommandExecutionError, match=r"^canary failed: broker$"):
        module.canary()


@pytest.mark.xfail(strict=True, reason="an unknown user is a KeyError, not an OSError")
def test_canary_on_a_bare_host(phagescan: Callable[..., ModuleType]) -> None:
    """Where nothing is installed the canary says so, in one line."""
    with pytest.raises(CommandExecutionError, match="not installed here"):
        phagescan({"phagescan:user": "unit-nobody"}).canary()


def test_welcome(phagescan: Callable[..., ModuleType], shipped: dict[str, Any]) -> None:
    """The operator is told where to go and who to be, and where the password lies, not what it is."""
    text = phagescan(ipv4=["127.0.0.1", "192.0.2.7"]).welcome()
    assert "http://192.0.2.7/" in text
    assert "admin" in text
    assert "pillar/credentials.sls" in text
    assert shipped["phagescan"]["admin"]["password"] not in text
