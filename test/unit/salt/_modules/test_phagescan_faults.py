"""What is wrong with a pillar is said before anything is touched."""

from collections.abc import Callable
from typing import Any

import pytest
from salt.exceptions import CommandExecutionError

from pillars import PASSWORD_KEYS, REMOVED


def test_shipped_pillar(phagescan: Callable[..., Any]) -> None:
    """What is shipped has no faults, for either role, in either mode, and on each release."""
    for changed in (
        {},
        {"phagescan:roles": ["worker"]},
        {"phagescan:roles": "worker"},
        {"phagescan:mode": "development"},
    ):
        assert phagescan(changed).faults() == []
    for release in ("Debian-13", "Debian-12", "Ubuntu-24.04"):
        assert phagescan(osfinger=release).faults() == []
    assert phagescan().doctor() == "No faults in pillar or host."


@pytest.mark.parametrize(
    ("key", "value", "fault"),
    [
        ("phagescan:mode", "debug", "phagescan:mode: must be production or development, not debug"),
        ("phagescan:mode", REMOVED, "phagescan:mode: is missing; it must be production or development"),
        ("phagescan:roles", ["master", "slave"], "phagescan:roles:1: must be master or worker, not slave"),
        ("phagescan:root", REMOVED, "phagescan:root: is missing; it must be an absolute path"),
        ("phagescan:user", "", "phagescan:user: must be a name of a-z, 0-9, _ and -, not ''"),
        ("phagescan:broker:host", REMOVED, "phagescan:broker:host: is missing"),
        ("phagescan:database:name", REMOVED, "phagescan:database:name: is missing"),
        ("phagescan:broker:master", "nobody", "phagescan:broker:master: nobody is not in rabbitmq:users"),
        ("phagescan:broker:worker", "nobody", "phagescan:broker:worker: nobody is not in rabbitmq:users"),
        ("phagescan:database:user", "nobody", "phagescan:database:user: nobody is not in postgresql:roles"),
        ("phagescan:database:name", "none", "phagescan:database:name: none is not in postgresql:databases"),
        ("phagescan:broker:vhost", "none", "phagescan:broker:vhost: none is not in rabbitmq:vhosts"),
        (
            "rabbitmq:users:phageworkeruser:permissions:none",
            [".*", ".*", ".*"],
            "rabbitmq:users:phageworkeruser:permissions: vhost none is not in rabbitmq:vhosts",
        ),
        (
            "rabbitmq:users:phageworkeruser:permissions:phage",
            [".*", ".*"],
            "rabbitmq:users:phageworkeruser:permissions:phage: must be [configure, write, read]",
        ),
        (
            "rabbitmq:users:phageworkeruser:permissions:phage",
            [".*"] * 4,
            "rabbitmq:users:phageworkeruser:permissions:phage: must be [configure, write, read]",
        ),
        (
            "rabbitmq:absent:users",
            ["phagemasteruser"],
            "rabbitmq:absent:users: phagemasteruser is in rabbitmq:users, too",
        ),
        ("rabbitmq:absent:vhosts", ["/", "phage"], "rabbitmq:absent:vhosts: phage is in rabbitmq:vhosts, too"),
        (
            "postgresql:databases:phage:owner",
            "nobody",
            "postgresql:databases:phage:owner: nobody is not in postgresql:roles",
        ),
        (
            "phagescan:engines:sorcery",
            {},
            "phagescan:engines:sorcery: there is no engines/sorcery.py in salt://phagescan",
        ),
        (
            "phagescan:engines:../yara",
            {},
            "phagescan:engines:../yara: is not a lower-case name of a module in engines/",
        ),
        (
            "phagescan:engines:yara:rules",
            {"../../x": "rule x { condition: true }"},
            "phagescan:engines:yara:rules:../../x: is not a name of letters, digits, _ and -",
        ),
        ("phagescan:engines", REMOVED, "phagescan:engines: is missing; see phagescan.sls in pillar/"),
        ("phagescan:worker:master_url", "", "phagescan:worker:master_url: must be http://<host>"),
        ("phagescan:scan:expires", REMOVED, "phagescan:scan:expires: is missing"),
        (
            "celery:workers:celeryd:user",
            "root",
            "celery:workers:celeryd:user: must be the same as phagescan:worker:user",
        ),
        (
            "postgresql:databases:phage:owner",
            REMOVED,
            "postgresql:databases:phage:owner: is missing; it must be a name",
        ),
    ],
)
def test_fault(phagescan: Callable[..., Any], key: str, value: Any, fault: str) -> None:
    """One thing that is wrong is one line, beginning with the key to mend; the doctor says the same and fails."""
    module = phagescan({key: value})
    (found,) = module.faults()
    assert found.startswith(fault)
    with pytest.raises(CommandExecutionError, match="^" + fault.split(":", maxsplit=1)[0]):
        module.doctor()


def same() -> tuple[tuple[str, str], ...]:
    """Pairs of keys that must say the same, but for those whose value has a form of its own."""
    return tuple(
        (f"{formula}:{key}", f"phagescan:{other}")
        for formula in ("gunicorn", "celery")
        for key, other in (
            ("user", "user"),
            ("group", "user"),
            ("chdir", "root"),
            ("virtualenv", "virtualenv"),
            ("log_dir", "log_dir"),
        )
    )


@pytest.mark.parametrize(("key", "other"), same())
def test_same(phagescan: Callable[..., Any], key: str, other: str) -> None:
    """What two formulas are told must agree, and setting both is no fault."""
    value = "unit" if other.endswith("user") else "/srv/unit"
    (fault,) = phagescan({key: value}).faults()
    assert fault.startswith(f"{key}: must be the same as {other}, ")
    assert fault.endswith(f", not {value}")
    (fault,) = phagescan({key: REMOVED}).faults()
    assert fault.endswith(", not None")
    camera = {"user": value, "directory": value, "command": f"{value}/bin/celery"}
    wanted = {"phagescan:user": "user", "phagescan:root": "directory", "phagescan:virtualenv": "command"}.get(other)
    both = {pair[0]: value for pair in same() if pair[1] == other}
    both |= {f"supervisord:programs:celerycam:{wanted}": camera[wanted]} if wanted else {}
    assert phagescan({other: value, **both}).faults() == []


def test_bind(phagescan: Callable[..., Any]) -> None:
    """nginx asks where gunicorn listens, and gunicorn listens on loopback only."""
    proxy, url = "nginx:sites:phagescan:proxy", {"phagescan:worker:master_url": "http://127.0.0.1:9001"}
    assert phagescan({"gunicorn:bind": "127.0.0.1:9001", proxy: "127.0.0.1:9001"} | url).faults() == []
    assert phagescan({"gunicorn:bind": "127.0.0.1:9001"} | url).faults() == [
        f"{proxy}: must be the same as gunicorn:bind, 127.0.0.1:9001, not 127.0.0.1:9000"
    ]
    for bind in ("0.0.0.0:9000", "[::]:9000", "127.0.0.11:9000"):
        (fault,) = phagescan({"gunicorn:bind": bind, proxy: bind}).faults()
        assert fault.startswith("gunicorn:bind: Django listens on loopback only"), bind
    for bind in (":9000", "", "127.0.0.1"):
        (fault,) = phagescan({"gunicorn:bind": bind}).faults()
        assert fault.startswith("gunicorn:bind: must be address:port, not "), bind
    (fault,) = phagescan({"gunicorn:bind": REMOVED}).faults()
    assert fault.startswith("gunicorn:bind: Django listens on loopback only")


def test_unreadable_pillar(phagescan: Callable[..., Any]) -> None:
    """A file that is no YAML is the one fault, and not what it would have said."""
    module = phagescan({"phagescan": REMOVED})
    module.__pillar__["_errors"] = ["Rendering SLS 'credentials' failed. Please see master log for details."]
    assert module.faults() == ["pillar: Rendering SLS 'credentials' failed. See what stands above."]


def test_role_of_the_grain(phagescan: Callable[..., Any]) -> None:
    """A role that there is not is a fault wherever it stands."""
    assert phagescan(roles=["butler"]).faults() == ["grain roles: butler is not a role; roles: master, worker"]


def test_every_fault_is_told(phagescan: Callable[..., Any]) -> None:
    """All that is wrong is told at once."""
    faults = phagescan({"phagescan:mode": "debug", "phagescan:root": REMOVED, PASSWORD_KEYS[0]: "short"}).faults()
    assert [fault.split(": ")[0] for fault in faults] == ["phagescan:mode", "phagescan:root", PASSWORD_KEYS[0]]


@pytest.mark.parametrize(
    "grains", [{"osfinger": "Debian-11"}, {"osfinger": "Fedora-43", "os_family": "RedHat"}, {"osfinger": None}]
)
def test_unknown_system(phagescan: Callable[..., Any], grains: dict[str, Any]) -> None:
    """A system that is not known is the one fault, with what is known."""
    (fault,) = phagescan({"phagescan:mode": "debug"}, **grains).faults()
    assert fault.startswith(f"grain osfinger: {grains['osfinger']} ")
    assert "known: Debian-13, Debian-12, Ubuntu-24.04" in fault


@pytest.mark.parametrize(
    ("changed", "fault"),
    [
        ({"phagescan:worker:master_url": "scan-master"}, "phagescan:worker:master_url: must be http://<host>"),
        ({"phagescan:worker:master_url": "10.0.0.1:80"}, "phagescan:worker:master_url: must be http://<host>"),
        ({"phagescan:scan:max_size": 0}, "phagescan:scan:max_size: must be a whole number from 1 to 102400, not 0"),
        (
            {"phagescan:worker:concurrency": -1},
            "phagescan:worker:concurrency: must be a whole number from 1 to 1024, not -1",
        ),
        (
            dict.fromkeys(
                ("phagescan:worker:user", *(f"celery:workers:celeryd:{key}" for key in ("user", "group"))), "avuser"
            ),
            "phagescan:worker:user: must be a user of its own",
        ),
        (
            {"phagescan:broker:host": "no.such.host.invalid"},
            "phagescan:broker:host: no.such.host.invalid is not known here",
        ),
        (
            {"rabbitmq:least_privilege": True, "phagescan:broker:worker": "phagemasteruser"},
            "rabbitmq:least_privilege: master and workers share phagemasteruser",
        ),
    ],
)
def test_fault_of_the_worker(phagescan: Callable[..., Any], changed: dict[str, Any], fault: str) -> None:
    """What would stop the worker later is said now."""
    (found,) = phagescan(changed).faults()
    assert found.startswith(fault)
