"""Which parts are late only because their services were started a moment ago."""

import time
from collections.abc import Callable
from typing import Any

import pytest

NODES = {
    "gunicorn": "gunicorn",
    "master.master": "celeryd-master",
    "master.periodic": "celeryd-periodic",
    "scan@unit": "celeryd",
}
WELL = {"exists": True, "running": True, "starting": False, "failures": 0}


def late(seconds: float, *nodes: str) -> dict[str, Any]:
    """A part that its services have so many seconds for."""
    return {"ok": False, "said": "has done nothing", "startup": {"seconds": seconds, "nodes": list(nodes)}}


@pytest.fixture
def asked() -> list[dict[str, str]]:
    """The services that `spared` was asked of."""
    return []


@pytest.fixture
def spared(load: Callable[..., Any], asked: list[dict[str, str]]) -> Callable[..., dict[str, Any]]:
    """Asks of a host whose services have run for a day, but for some: started so many seconds ago, or in another
    state.
    """

    def ask(found: dict[str, Any], otherwise: dict[str, float | dict[str, Any]] | None = None) -> dict[str, Any]:
        def services(units: dict[str, str]) -> dict[str, dict[str, Any]]:
            asked.append(units)
            known = {}
            for unit in units:
                state = (otherwise or {}).get(unit, 86400)
                more = state if isinstance(state, dict) else {"ago": state}
                known[unit] = WELL | more | {"since": time.time() - more.get("ago", 1)}
            return known

        return load("_utils/startup").spared(found, NODES, services)

    return ask


def test_it_counts_from_the_start(spared: Callable[..., dict[str, Any]]) -> None:
    """What was started less than its time ago is spared, and says so; after that it is not."""
    found = {"beat": late(30, "master.periodic")}
    said = spared(found, {"celeryd-periodic": 4})
    text = "celeryd-periodic was started 4 s ago, and this may take 30 s: has done nothing"
    assert said == {"beat": {"ok": True, "said": text}}
    assert spared(found, {"celeryd-periodic": 29})
    assert not spared(found, {"celeryd-periodic": 31})
    assert not spared(found)
    assert not spared(found, {"celeryd-master": 4}), "of another service"


def test_it_counts_from_the_last_start(spared: Callable[..., dict[str, Any]]) -> None:
    """The broker is what all depend on, supervisord the camera."""
    for unit in ("rabbitmq-server", "supervisor", "celeryd-master"):
        assert (
            f"{unit} was started 4 s ago" in spared({"camera": late(32, "master.master")}, {unit: 4})["camera"]["said"]
        )
    assert spared({"scan@unit": late(70, "scan@unit")}, {"rabbitmq-server": 4})
    assert not spared({"scan@unit": late(70, "scan@unit")}, {"supervisor": 4})
    assert spared({"web": late(20, "gunicorn")}, {"gunicorn": 4})
    assert not spared({"web": late(20, "gunicorn")}, {"rabbitmq-server": 4})


@pytest.mark.parametrize(
    ("state", "ok"),
    [
        ({}, True),
        ({"running": False, "starting": True}, True),
        ({"running": False}, False),
        ({"failures": 1}, False),
        ({"ago": -100}, False),
    ],
)
def test_what_does_not_stay_up(spared: Callable[..., dict[str, Any]], state: dict[str, Any], ok: bool) -> None:
    """A service that stopped, or that systemd started again, or whose clock was set back, is not taken for new."""
    assert bool(spared({"beat": late(30, "master.periodic")}, {"celeryd-periodic": state})) is ok


def test_a_broker_elsewhere(spared: Callable[..., dict[str, Any]]) -> None:
    """A mere worker has no broker to ask about; of a node on another host nothing is known."""
    elsewhere = {"exists": False, "running": False}
    found = {"scan@unit": late(70, "scan@unit"), "engines": late(45, "scan@elsewhere")}
    assert list(spared(found, {"rabbitmq-server": elsewhere, "celeryd": 4})) == ["scan@unit"]


def test_only_what_is_late(spared: Callable[..., dict[str, Any]], asked: list[dict[str, str]]) -> None:
    """What is well, unknown, or broken for good is left as it is, and then no service is asked about."""
    parts = {"web": {"ok": False, "said": ""}, "beat": late(30) | {"ok": True}, "camera": late(30) | {"ok": None}}
    assert spared(parts) == {}
    assert not asked
    assert spared({"camera": late(32, "master.master")}, {"supervisor": 1})
    assert asked == [
        {
            "celeryd-master": "/run/celeryd-master/celeryd-master.pid",
            "rabbitmq-server": "/run/rabbitmq/pid",
            "supervisor": "/run/supervisord.pid",
        }
    ]
