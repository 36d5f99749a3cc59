"""What `manage.py status` makes of what broker, nodes and database say."""

from collections.abc import Callable
from datetime import timedelta
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from amqp.exceptions import AccessRefused

NODES = ["master.master", "master.results", "master.periodic", "scan@unit"]
QUIET = {"master": (0, 1), "results": (0, 1), "periodic": (0, 1), "engine.yara": (0, 1)}


@pytest.fixture
def health(scaggr_module: Callable[[str], ModuleType]) -> ModuleType:
    """The module."""
    return scaggr_module("health")


@pytest.fixture
def master(health: ModuleType, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """Makes a look at a master: which nodes are silent, what waits in its queues, how old its engine's announcement is."""

    def make(silent: tuple[str, ...] = (), heard: float = 1.0, problem: str = "", **queues: tuple[int, int]) -> Any:
        found = health.Master(NODES, 2.0)
        found.answers = {node: node not in silent for node in NODES}
        since = health.timezone.now() - timedelta(seconds=heard)
        found.engines = [health.Engine(name="yara", worker="scan@unit", announced_at=since, problem=problem)]
        monkeypatch.setattr(health, "depths", lambda *_: QUIET | {name.replace("_", "."): two for name, two in queues.items()})
        return found

    return make


def test_queues(health: ModuleType, master: Callable[..., Any]) -> None:
    """A queue that nobody empties is a fault, unless its node is silent; waiting messages are none, waiting scans are."""
    assert master(master=(7, 1)).queues() == "messages: master 7, results 0, periodic 0, engine.yara 0"
    for name, node in (("results", "master.results"), ("engine_yara", "scan@unit")):
        with pytest.raises(health.PartError, match="nobody takes from queue") as caught:
            master(**{name: (3, 0)}).queues()
        assert caught.value.of == node
        assert master(silent=(node,), **{name: (3, 0)}).queues()
    waits = master()
    waits.oldest = health.timezone.now() - timedelta(seconds=299)
    assert waits.queues()
    waits.oldest = health.timezone.now() - timedelta(seconds=301)
    with pytest.raises(health.PartError, match="a scan waits for 301 s"):
        waits.queues()


def test_engines(health: ModuleType, master: Callable[..., Any]) -> None:
    """One that has a problem, or whose worker is silent, is a fault; and so is that there is none."""
    assert master().announced() == "yara on scan@unit"
    for made, said in (
        (master(problem="the strings are torn"), "yara on scan@unit: the strings are torn"),
        (master(heard=46), "yara on scan@unit: silent for 46 s"),
    ):
        with pytest.raises(health.PartError, match=said):
            made.announced()
    none = master()
    none.engines = []
    with pytest.raises(health.PartError, match="no worker has announced one"):
        none.announced()


def parts(**broken: bool | None) -> dict[str, Any]:
    """Parts that are ok, but for some."""
    names = ("broker", "database", "camera", "beat", "engines")
    return {name: {"ok": broken.get(name, True), "said": name} for name in names}


@pytest.mark.parametrize(
    ("silent", "name", "ok"),
    [
        ((), "camera", False),
        (("master.master",), "camera", False),
        (NODES, "camera", None),
        ((), "beat", False),
        (("master.master",), "beat", False),
        (("master.periodic",), "beat", None),
        ((), "engines", False),
        (("master.results",), "engines", None),
        (("scan@unit",), "engines", None),
        (("master.periodic",), "engines", False),
    ],
)
def test_blame(master: Callable[..., Any], silent: tuple[str, ...], name: str, ok: bool | None) -> None:
    """What a silent node explains is not blamed on another part."""
    found = parts(**{name: False})
    master(tuple(silent)).excuse(found)
    assert found[name]["ok"] is ok
    well = parts()
    master(NODES).excuse(well)
    assert {part["ok"] for part in well.values()} == {True}


def test_blame_of_the_broker(master: Callable[..., Any]) -> None:
    """Without a broker nothing else is to blame."""
    found = parts(broker=False, camera=False, beat=False)
    master().excuse(found)
    assert [name for name, part in found.items() if part["ok"] is False] == ["broker"]


def test_nothing_answers(health: ModuleType) -> None:
    """With neither broker nor database both are named, the rest is not known, and no password is told."""
    found = health.Master(NODES, 2.0).parts()
    assert [name for name, part in found.items() if part["ok"] is False] == ["broker", "database"]
    assert {part["ok"] for name, part in found.items() if name not in ("broker", "database")} == {None}
    assert "127.0.0.1:1 does not answer" in found["broker"]["said"]
    assert "password" not in str(found)
    assert list(health.Master([], 2.0).parts()) == ["broker", "database"]


def test_a_broker_that_takes_nothing(health: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    """A login is not enough: the broker has to take a message; then the nodes are asked."""

    def publish(*_: Any, **__: Any) -> None:
        if troubles:
            raise troubles.pop()

    troubles = [TimeoutError("timed out"), AccessRefused("no right")]
    monkeypatch.setattr(health, "log_in", lambda _: (SimpleNamespace(collect=lambda: None), "logged in"))
    monkeypatch.setattr(health.app.amqp, "Producer", lambda _: SimpleNamespace(publish=publish))
    monkeypatch.setattr(health.app.control, "ping", lambda **_: [{node: {"ok": "pong"}} for node in NODES[:3]])
    while troubles:
        found = health.Master(NODES, 2.0).at_broker()
        assert found["broker"]["said"].startswith("logged in, but it takes no message")
        assert {found[node]["ok"] for node in NODES} == {None}
    assert [part["ok"] for part in health.Master(NODES, 2.0).at_broker().values()] == [True, True, True, True, False]
