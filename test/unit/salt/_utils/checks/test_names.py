"""What is wrong with a pillar is said before anything is touched."""

from collections.abc import Callable
from typing import Any

import pytest

from pillars import PASSWORD_KEYS, REMOVED


def test_shipped_pillar(examine: Callable[..., list[str]]) -> None:
    """What is shipped has no faults, for either role, in either mode, and on each release."""
    for changed in (
        {},
        {"phagescan:roles": ["worker"], "phagescan:worker:master_url": "http://192.0.2.1"},
        {"phagescan:roles": "worker", "phagescan:worker:master_url": "http://192.0.2.1"},
        {"phagescan:mode": "development"},
    ):
        assert examine(changed) == []
    for release in ("Debian-13", "Debian-12", "Ubuntu-24.04"):
        assert examine(osfinger=release) == []


@pytest.mark.parametrize(
    ("key", "value", "fault"),
    [
        (
            "nginx:sites:phagescan:server_name",
            "scan.example phage_scan",
            "nginx:sites:phagescan:server_name: phage_scan is no name of a host, as it has an underscore; choose one",
        ),
        ("phagescan:proxies", ["proxy"], "phagescan:proxies:0: must be an address or a network, such as 10.0.0.0/24"),
        ("phagescan:proxies", ["0.0.0.0/0"], "phagescan:proxies: 0.0.0.0/0 is everyone"),
        ("phagescan:mode", "debug", "phagescan:mode: must be production or development, not debug"),
        ("phagescan:mode", REMOVED, "phagescan:mode: is missing; it must be production or development"),
        ("phagescan:roles", ["master", "slave"], "phagescan:roles:1: must be master or worker, not slave"),
        ("phagescan:root", REMOVED, "phagescan:root: is missing; it must be an absolute path"),
        ("phagescan:user", "", "phagescan:user: must be a name of a-z, 0-9, _ and -, not ''"),
        ("phagescan:broker:host", REMOVED, "phagescan:broker:host: is missing"),
        ("phagescan:database:name", REMOVED, "phagescan:database:name: is missing"),
        ("phagescan:broker:master", "nobody", "phagescan:broker:master: nobody is not in rabbitmq:users"),
        ("phagescan:broker:worker", "nobody", "phagescan:broker:worker: nobody is not in rabbitmq:users"),
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
        (
            "phagescan:engines",
            REMOVED,
            "phagescan:engines: is missing; set it in pillar/local.sls, as pillar/phagescan.sls shows",
        ),
        ("phagescan:worker:master_url", "", "phagescan:worker:master_url: must be http://<host>"),
        ("phagescan:scan:expires", REMOVED, "phagescan:scan:expires: is missing"),
        (
            "celery:workers:celeryd:user",
            "root",
            "celery:workers:celeryd:user: must be a user of its own",
        ),
        (
            "postgresql:databases:phage:owner",
            REMOVED,
            "postgresql:databases:phage:owner: is missing; it must be a name",
        ),
    ],
)
def test_fault(examine: Callable[..., list[str]], key: str, value: Any, fault: str) -> None:
    """One thing that is wrong is one line, beginning with the key to mend."""
    (found,) = examine({key: value})
    assert found.startswith(fault)


def test_bind(examine: Callable[..., list[str]]) -> None:
    """gunicorn listens on loopback only; who asks it there follows."""
    assert examine({"gunicorn:bind": "127.0.0.1:9001"}) == []
    for bind in ("0.0.0.0:9000", "[::]:9000", "127.0.0.11:9000"):
        (fault,) = examine({"gunicorn:bind": bind})
        assert fault.startswith("gunicorn:bind: Django listens on loopback only"), bind
    for bind in (":9000", "", "127.0.0.1"):
        assert examine({"gunicorn:bind": bind})[0].startswith("gunicorn:bind: must be address:port, not "), bind


def test_role_of_the_grain(examine: Callable[..., list[str]]) -> None:
    """A role that there is not is a fault wherever it is."""
    assert "grain roles: butler is not a role; roles: master, worker" in examine(roles=["butler"])


def test_every_fault_is_told(examine: Callable[..., list[str]]) -> None:
    """All that is wrong is reported at once."""
    faults = examine({"phagescan:mode": "debug", "phagescan:root": REMOVED, PASSWORD_KEYS[0]: "short"})
    assert [fault.split(": ")[0] for fault in faults] == ["phagescan:mode", "phagescan:root", PASSWORD_KEYS[0]]


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
            {"phagescan:worker:user": "avuser"},
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
def test_fault_of_the_worker(examine: Callable[..., list[str]], changed: dict[str, Any], fault: str) -> None:
    """What would stop the worker later is said now."""
    (found,) = examine(changed)
    assert found.startswith(fault)


def test_the_name_of_this_host(load: Callable[..., Any]) -> None:
    """One with an underscore is noted: requests for it are refused."""
    notes = load("_utils/doctor").names.notes
    (note,) = notes("phage_scan")
    assert note.startswith("host name: phage_scan has an underscore")
    assert list(notes("phage-scan")) == []
