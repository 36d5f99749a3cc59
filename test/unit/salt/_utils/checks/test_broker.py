"""The broker that is here already: which it is, and where it listens."""

from collections.abc import Callable
from typing import Any

import pytest

Ask = Callable[..., list[str]]


@pytest.fixture
def ask(load: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> Ask:
    """Says the faults of a master whose broker is so, and listens there; only localhost and `here` are known."""
    doctor = load("_utils/doctor")

    def known(host: str, _port: None) -> None:
        if host not in ("localhost", "here"):
            raise OSError

    def say(there: tuple[tuple[str, int, str], ...] = (), port: int = 5672, **broker: Any) -> list[str]:
        monkeypatch.setattr(doctor.broker.socket, "getaddrinfo", known)
        monkeypatch.setattr(doctor.broker.listening, "by_user", lambda: there)
        found = {"name": "rabbit@here", "ours": False, "runs": True, "choices": [], **broker}
        settings = {"rabbitmq": {"port": port, "ports": {"distribution": 25672}}, "phagescan": {}}
        situation = doctor.Situation(
            settings=settings, given={}, roles=["master"], checkout=[], broker=lambda _wanted: found
        )
        checks = (doctor.broker.node, doctor.broker.listeners)
        return [f"{fault.key}: {fault.reason}" for check in checks for fault in check(situation)]

    return say


def test_several(ask: Ask) -> None:
    """Of several databases one has to be named, or started."""
    (line,) = ask(choices=["rabbit@b", "rabbit@a"], name="rabbit@localhost", runs=False)
    assert line.startswith("rabbitmq:node: there are several databases, rabbit@a, rabbit@b, and no broker runs: start")


def test_host_of_the_node(ask: Ask) -> None:
    """A node does not start once its host's name is not known."""
    (line,) = ask(name="rabbit@gone", runs=False)
    assert line.startswith("rabbitmq:node: the broker that is here is rabbit@gone, and gone is not known here")
    assert line.endswith("add gone to /etc/hosts")
    assert ask(name="rabbit@gone", ours=True, runs=False) == []


@pytest.mark.parametrize(
    ("there", "port", "reported"),
    [
        ([("::", 5672), ("0.0.0.0", 25672)], 5672, ""),  # noqa: S104
        ([("127.0.0.1", 5672)], 5672, ""),
        ([("192.0.2.1", 5672), ("127.0.0.1", 5673)], 5672, "listens on 5673 of 127.0.0.1, and not on 5672"),
        ([("192.0.2.1", 5672), ("::", 25672)], 5672, "listens on no port of 127.0.0.1, and not on 5672"),
        ([("::", 5673)], 5673, ""),
        ([], 5672, ""),
    ],
)
def test_where_it_listens(ask: Ask, there: list[tuple[str, int]], port: int, reported: str) -> None:
    """A broker whose listeners are not ours is looked for where it listens."""
    sockets = tuple((*place, "rabbitmq") for place in there)
    lines = ask((*sockets, ("127.0.0.1", 5999, "other")), port)
    wanted = (
        [f"rabbitmq:port: the broker that is here, rabbit@here, {reported}; set this key to its port"]
        if reported
        else []
    )
    assert lines == wanted
    assert ask(sockets, port, ours=True) == ask(sockets, port, runs=False) == []
