"""A service that is not to run or not to start, and a unit that systemd is to know."""

from collections.abc import Callable
from typing import Any

import pytest

from service_host import Host


@pytest.mark.parametrize("test", [True, False])
@pytest.mark.parametrize(
    ("status", "did"),
    [
        ({}, ["stop web", "disable web"]),
        ({"enabled": False}, ["stop web"]),
        ({"running": False}, ["disable web"]),
        ({"running": False, "enabled": False}, []),
        ({"running": False, "exists": False}, []),
    ],
)
def test_dead(host: Callable[..., Host], status: dict[str, Any], did: list[str], test: bool) -> None:
    """A service is stopped and disabled as far as it is not; one that does not exist is both."""
    web = host(test=test, **status)
    result = web.state.dead("web", pidfile="/run/web.pid")
    assert result["result"] is (None if test and did else True)
    assert list(result["changes"]) == ["web " + call.split()[0] for call in did]
    assert web.did == ([] if test else did)


@pytest.mark.parametrize(
    ("status", "test", "did"),
    [
        ({}, False, ["disable web"]),
        ({}, True, ["disable web"]),
        ({"enabled": False}, False, []),
        ({"enabled": False}, True, []),
        ({"exists": False, "enabled": False}, False, []),
        ({"exists": False, "enabled": False}, True, ["disable web"]),
    ],
)
def test_disabled(host: Callable[..., Host], status: dict[str, Any], did: list[str], test: bool) -> None:
    """A service that starts on boot is disabled and goes on; a preview says so of one that is yet to be installed."""
    web = host(test=test, **status)
    result = web.state.disabled("web", pidfile="/run/web.pid")
    assert result["result"] is (None if test and did else True)
    assert list(result["changes"]) == ["web " + call.split()[0] for call in did]
    assert web.did == ([] if test else did)


@pytest.mark.parametrize("test", [True, False])
@pytest.mark.parametrize("exists", [True, False])
def test_known(host: Callable[..., Host], exists: bool, test: bool) -> None:
    """systemd reads once a unit that it has not read; a preview says so."""
    web = host(test=test, exists=exists)

    def reload() -> None:
        web.did.append("reload")
        web.status.update(exists=True)

    web.state.__utils__["daemon.daemon_reload"] = reload
    result = web.state.known("web")
    assert result["result"] is (None if test and not exists else True)
    assert list(result["changes"]) == ([] if exists else ["web daemon-reload"])
    assert web.did == ([] if exists or test else ["reload"])


def test_known_fails(host: Callable[..., Host]) -> None:
    """A unit that systemd does not find after all is a failure."""
    web = host(exists=False)
    result = web.state.known("web")
    assert (result["result"], result["changes"], result["comment"]) == (False, {}, "systemd finds no unit web")


def test_known_after_a_change(host: Callable[..., Host]) -> None:
    """What systemd was found to know does not count after the unit was written again."""
    web = host()
    web.state.known("web")
    web.status["exists"] = False
    assert web.state.known("web")["changes"] == {}
    web.state.__utils__["daemon.daemon_reload"] = lambda: web.status.update(exists=True)
    assert web.state.mod_watch("web", sfun="known")["changes"] == {"web daemon-reload": "systemd did not know it"}
