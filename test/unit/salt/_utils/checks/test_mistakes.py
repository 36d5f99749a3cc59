"""Mistakes of a pillar: each is refused, with its key, before the host is touched."""

import zoneinfo
from collections.abc import Callable
from typing import Any

import pytest

from pillar_mistakes import BETWEEN_KEYS, SEVERAL, WITH_TLS
from pillars import BROKER, NODE, PROGRAM, REMOVED, SECRET, SITE, TLS, URL, ZONE, M, put
from schema_mistakes import OF_SCHEMA

MISTAKES = [*OF_SCHEMA, *BETWEEN_KEYS]
OPEN = {"phagescan:tls": {"self_signed": True}, "rabbitmq:listen": "0.0.0.0"}


def test_good(doctor: Callable[..., list[str]], good: dict[str, Any]) -> None:
    """A pillar that uses every key has no fault."""
    assert doctor(good) == []


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("rabbitmq:vhosts", ["phage", "/", "shop.1"]),
        (f"{SITE}:error_pages", {404: "/404.html"}),
        (f"{SITE}:listen", "[::]:8080 default_server"),
        (f"{SITE}:client_max_body_size", 0),
        (f"{M}:tags", ["administrator"]),
        (f"{M}:permissions:phage", [r"^\\Qa.b\\E$", "(?<name>a+)", "^$"]),
        ("gunicorn:environment:A", 5),
        ("gunicorn:environment:A", 'text with "%$'),
        ("phagescan:roles", "master"),
        ("phagescan:worker:master_url", "https://[2001:db8::1]:8443/scan"),
        ("phagescan:admin:password", "&!#%/@: ~'\"\\{}12"),
        ("postgresql:version", 17),
        ("unknown", {"namespace": "of others"}),
        ("phagescan:scan:sample_root", "/srv/samples/all"),
        (ZONE, "Europe/Berlin"),
        (ZONE, "America/Argentina/Buenos_Aires"),
        (ZONE, "Etc/GMT+1"),
        ("phagescan:database:host", "localhost"),
        ("phagescan:database:host", "::1"),
        (BROKER, "localhost"),
        (BROKER, "scan-master"),
        ("celery:workers:celeryd-result:group", "avuser"),
        ("celery:workers:theirs", {"config": "shop.celery", "hostname": "shop", "chdir": "/srv/shop", "group": "shop"}),
        ("celery:workers:celeryd-result:config", "scaggr"),
        ("gunicorn:application", "scaggr.wsgi:application"),
        ("supervisord:programs:theirs", dict.fromkeys(PROGRAM, "/x") | {"user": "x", "environment": {}}),
    ],
)
def test_right(doctor: Callable[..., list[str]], good: dict[str, Any], key: str, value: Any) -> None:
    """What is unusual and right is no fault."""
    assert doctor(put(good, key, value)) == []


@pytest.mark.parametrize(
    "changed",
    [
        *({BROKER: host, "rabbitmq:listen": "0.0.0.0"} for host in ("127.0.0.1", "192.0.2.1", "scan-master")),  # noqa: S104
        *({BROKER: host, "rabbitmq:listen": "192.0.2.1"} for host in ("192.0.2.1", "scan-master")),
        {BROKER: "2001:db8:0::1", "rabbitmq:listen": "2001:db8::1"},
        # A mere worker's broker and application are elsewhere, and it has no database and no page.
        {
            "phagescan:roles": "worker",
            BROKER: "192.0.2.1",
            "phagescan:database": REMOVED,
            "supervisord": REMOVED,
            "gunicorn:application": "other.wsgi",
            ZONE: "Europe/Berlni",
            "celery:workers:celeryd-master:config": "other",
            URL: "http://192.0.2.1",
        },
        {"phagescan:roles": "master", f"{NODE}:config": "other"},
    ],
)
def test_right_together(doctor: Callable[..., list[str]], good: dict[str, Any], changed: dict[str, Any]) -> None:
    """What is right beside other keys, or for another role, is no fault."""
    for key, value in changed.items():
        good = put(good, key, value)
    assert doctor(good) == []


def test_host_without_zones(
    doctor: Callable[..., list[str]], good: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where no zone is known, none is a fault."""
    monkeypatch.setattr(zoneinfo, "available_timezones", set)
    assert doctor(put(good, ZONE, "Europe/Berlin")) == doctor(put(good, ZONE, "Europe/Berlni")) == []
    monkeypatch.setattr(zoneinfo, "available_timezones", lambda: {"UTC", "Europe/Berlin"})
    assert doctor(put(good, ZONE, "Asia/Tokio")) == [f"{ZONE}: Asia/Tokio is not known here; see /usr/share/zoneinfo"]


@pytest.mark.parametrize(
    ("changed", "node", "reported"),
    [
        ({}, "rabbit@old", True),
        ({"rabbitmq:node": REMOVED}, "rabbit@old", True),
        ({}, "", False),
        ({}, "rabbit@localhost", False),
        ({"rabbitmq:node": "rabbit@old"}, "rabbit@old", False),
        ({"rabbitmq:listen": "127.0.0.1"}, "rabbit@old", False),
        ({TLS: REMOVED}, "rabbit@old", False),
        ({"phagescan:roles": "worker", URL: "https://master"}, "rabbit@old", False),
    ],
)
def test_broker_that_was_here_first(
    doctor: Callable[..., list[str]], good: dict[str, Any], changed: dict[str, Any], node: str, reported: bool
) -> None:
    """It keeps its listeners, and so is refused where they are to be AMQPS."""
    for key, value in (OPEN | changed).items():
        good = put(good, key, value)
    lines = doctor(good, node)
    keeps = f"rabbitmq:listen: the broker that is here, {node}"
    assert [line.split(", keeps")[0] for line in lines] == [keeps] * reported


@pytest.mark.parametrize(("key", "value", "line"), MISTAKES)
def test_mistake(doctor: Callable[..., list[str]], good: dict[str, Any], key: str, value: Any, line: str) -> None:
    """It is one line, the key first, and shows no password."""
    top = key.partition(":")[0]
    wanted = line if line.startswith(f"{top}:") or line.split(":")[0] in good else f"{key}: {line}"
    (fault,) = doctor(put(good, key, value))
    assert fault.startswith(wanted)
    assert SECRET not in fault


@pytest.mark.parametrize(("changed", "keys"), SEVERAL)
def test_several(
    doctor: Callable[..., list[str]], good: dict[str, Any], changed: dict[str, Any], keys: set[str]
) -> None:
    """Each is reported, and what is only for want of it is not."""
    for key, value in changed.items():
        good = put(good, key, value)
    assert {line.split(": ")[0] for line in doctor(good)} == keys


@pytest.mark.parametrize(("changed", "lines"), WITH_TLS)
def test_tls(doctor: Callable[..., list[str]], good: dict[str, Any], changed: dict[str, Any], lines: list[str]) -> None:
    """With TLS other ports are taken, other ways are right, and there are files to be good."""
    for key, value in (OPEN | changed).items():
        good = put(good, key, value)
    assert doctor(good) == lines


def test_faults_tried() -> None:
    """The tables hold more than 200 different faults, each of which has its own test above."""
    assert len({(key, line) for key, _, line in MISTAKES}) > 200
