"""Services that are started together, and whether what was started stays up."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from service_host import Host


@pytest.mark.parametrize(
    ("before", "after", "settled"),
    [
        ({}, {"running": False}, True),
        ({"enabled": False}, {"running": False}, True),
        ({"running": False}, {"running": True}, True),
        ({"running": False}, {"running": False}, False),
        ({"running": False}, {"running": True, "failures": 1}, False),
        ({"since": 499.0, "failures": 2}, {}, True),
        ({"since": 499.0, "failures": 2}, {"failures": 3}, False),
        ({"since": 499.0}, {"running": False}, False),
    ],
)
def test_settled(host: Callable[..., Host], before: dict[str, Any], after: dict[str, Any], settled: bool) -> None:
    """What this run started or restarted is looked at once more; what fell, or was started again, is a failure."""
    web = host(**before)
    web.state.running("web", pidfile="/run/web.pid")
    web.status |= after
    result = web.state.settled("all", seconds=0)
    assert (result["result"], result["changes"]) == (settled, {})
    assert settled or result["comment"] == "web was started, but did not stay up: it left no word in journal or log"


def test_settled_waits(host: Callable[..., Host]) -> None:
    """It waits for as long as is left since the last start, and where nothing was started not at all."""
    waited: list[float] = []
    web = host(names=("web", "queue"), running=False)
    web.state.time = SimpleNamespace(time=lambda: 0.0, monotonic=lambda: 100.0, sleep=waited.append)
    web.state.settled("all")
    assert waited == []
    web.state.time.monotonic = lambda: 90.0
    web.state.running("queue", pidfile="/run/queue.pid")
    web.state.time.monotonic = lambda: 100.0
    web.state.running("web", pidfile="/run/web.pid")
    web.state.time.monotonic = lambda: 101.0
    web.state.settled("all", seconds=4)
    web.state.time.monotonic = lambda: 200.0
    web.state.settled("all", seconds=4)
    assert waited == [3.0, 0.0]


def test_settled_of_what_notifies(host: Callable[..., Host]) -> None:
    """What has said that it is ready is not waited for; beside one that does not say it, all are looked at later."""
    waited: list[float] = []
    web = host(names=("web", "queue"), running=False, notifies=True)
    web.state.time = SimpleNamespace(time=lambda: 0.0, monotonic=lambda: 100.0, sleep=waited.append)

    def act(*arguments: Any) -> None:
        web.act(*arguments)
        web.status.update(running=True)

    web.state.__utils__["daemon.act"] = act
    web.state.running("web", pidfile="/run/web.pid")
    assert web.state.settled("all")["comment"] == "Started, and running: web."
    assert waited == []
    web.others["queue"] = {"running": False, "notifies": False}
    web.state.__context__["daemon"]["status"] = {}
    web.state.running("queue", pidfile="/run/queue.pid")
    web.others["queue"]["running"] = True

    def sleep(seconds: float) -> None:
        waited.append(seconds)
        web.status.update(running=False)

    web.state.time.sleep = sleep
    result = web.state.settled("all", seconds=4)
    assert waited == [4.0]
    assert (result["result"], result["comment"]) == (
        False,
        "web was started, but did not stay up: it left no word in journal or log",
    )


@pytest.mark.parametrize(
    ("status", "verbs"),
    [
        ({"running": False}, ["start"]),
        ({"since": 499.0}, ["restart"]),
        ({"running": False, "enabled": False, "masked": True}, ["unmask", "start", "enable"]),
    ],
)
def test_together(host: Callable[..., Host], status: dict[str, Any], verbs: list[str]) -> None:
    """What is to be started together is started at the end, by one call, and once; the rest is done in its place."""
    web = host(names=("web", "queue"), notifies=True, changed=True, **status)
    at_once = [(verb, name) for name in web.names for verb in verbs if verb not in ("start", "restart")]
    for name in web.names:
        result = web.state.running(name, pidfile=f"/run/{name}.pid", check=f"{name} -t", together=True)
        assert (result["result"], list(result["changes"])) == (True, [f"{name} {verb}" for verb in verbs])
        assert ", with the others at the end" in result["comment"]
    expected = []
    for name in web.names:
        expected += [f"{name} -t", "daemon-reload", *(f"{verb} {name}" for verb, owner in at_once if owner == name)]
    assert web.did == expected

    def act(*arguments: Any) -> None:
        web.act(*arguments)
        web.status.update(running=True, failures=5)

    web.state.__utils__["daemon.act"] = act
    result = web.state.settled("all")
    assert (result["result"], result["comment"]) == (True, "Started, and running: web, queue.")
    assert web.did[len(expected) :] == ["restart web queue"]
    assert web.state.settled("all")["result"]
    assert web.did[len(expected) :] == ["restart web queue"]


def test_together_is_for_starts(host: Callable[..., Host]) -> None:
    """A service that reloads, or is only to be enabled, owes nothing."""
    web = host(since=499.0)
    web.state.running("web", pidfile="/run/web.pid", reload=True, together=True)
    web.status |= {"since": 1000.0, "enabled": False}
    web.state.__context__.clear()
    web.state.running("web", pidfile="/run/web.pid", together=True)
    assert web.state.settled("all")["comment"] == "Nothing was started."
    assert web.did == ["reload web", "enable web"]


@pytest.mark.parametrize("notifies", [True, False])
def test_together_and_fallen(host: Callable[..., Host], notifies: bool) -> None:
    """One of those that were started together and does not run is named."""
    web = host(names=("web", "queue"), running=False, notifies=notifies)
    for name in web.names:
        web.state.running(name, pidfile=f"/run/{name}.pid", together=True)
    web.others["web"] = {"running": True}
    result = web.state.settled("all", seconds=0)
    assert (result["result"], result["comment"]) == (
        False,
        "queue was started, but did not stay up: it left no word in journal or log",
    )


def test_together_fails(host: Callable[..., Host]) -> None:
    """What cannot be started fails the state that starts it, with the reason."""
    web = host(running=False)
    web.state.running("web", pidfile="/run/web.pid", together=True)
    web.act_fails = True
    result = web.state.settled("all", seconds=0)
    assert (result["result"], result["changes"], result["comment"]) == (
        False,
        {},
        "web failed (1); web was started, but did not stay up: it left no word in journal or log",
    )


def test_together_in_a_preview(host: Callable[..., Host]) -> None:
    """A preview says what is to be started, and starts nothing at the end either."""
    web = host(test=True, running=False)
    result = web.state.running("web", pidfile="/run/web.pid", together=True)
    assert (result["result"], result["changes"]) == (None, {"web start": "it was stopped"})
    assert (web.state.settled("all")["result"], web.did) == (True, [])


def test_together_after_a_failing_check(host: Callable[..., Host]) -> None:
    """What its own check refuses is not started at the end."""
    web = host(since=499.0)
    web.check_fails = True
    assert web.state.running("web", pidfile="/run/web.pid", check="web -t", together=True)["result"] is False
    assert web.state.settled("all")["comment"] == "Nothing was started."
    assert web.did == ["web -t"]


def test_together_after_a_change(host: Callable[..., Host]) -> None:
    """A change without a newer file restarts with the others, too; twice changed is once restarted."""
    web = host(notifies=True)
    web.watch(pkg="web-package")
    for _ in range(2):
        result = web.state.mod_watch("web", sfun="running", pidfile="/run/web.pid", together=True)
        assert list(result["changes"]) == ["web restart"]
    assert web.did == []
    web.state.settled("all")
    assert web.did == ["restart web"]
