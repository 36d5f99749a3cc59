"""What `manage.py status` makes of what broker, nodes and database say."""

from collections.abc import Callable
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from amqp.exceptions import AccessRefused

NODES = ["master.master", "master.results", "master.periodic", "scan@unit"]
QUIET = {"master": (0, 1), "results": (0, 1), "periodic": (0, 1), "engine.yara": (0, 1)}


@pytest.fixture
def health(scaggr_module: Callable[[str], Any]) -> Any:
    """The module."""
    return scaggr_module("health.checks")


@pytest.fixture
def master(health: Any, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """Makes a look at a master: which nodes are silent, what waits in its queues, how old its engine's
    announcement is.
    """

    def make(silent: tuple[str, ...] = (), heard: float = 1.0, problem: str = "", **queues: tuple[int, int]) -> Any:
        found = health.Master(NODES, 2.0)
        found.answers = {node: node not in silent for node in NODES}
        since = health.clock.now() - timedelta(seconds=heard)
        found.engines = [health.Engine(name="yara", worker="scan@unit", announced_at=since, problem=problem)]
        monkeypatch.setattr(
            health, "depths", lambda *_: QUIET | {name.replace("_", "."): two for name, two in queues.items()}
        )
        return found

    return make


def test_queues(health: Any, master: Callable[..., Any]) -> None:
    """A queue that no one empties is a fault, unless its node is silent; waiting messages are none, waiting scans
    are.
    """
    assert master(master=(7, 1)).queues() == "messages: master 7, results 0, periodic 0, engine.yara 0"
    for name, node in (("results", "master.results"), ("engine_yara", "scan@unit")):
        with pytest.raises(health.PartError, match="has no consumer") as caught:
            master(**{name: (3, 0)}).queues()
        assert caught.value.of == node
        assert caught.value.startup == {"seconds": 20, "nodes": [node]}
        assert master(silent=(node,), **{name: (3, 0)}).queues()
    waits = master()
    waits.oldest = health.clock.now() - timedelta(seconds=299)
    assert waits.queues()
    waits.oldest = health.clock.now() - timedelta(seconds=301)
    with pytest.raises(health.PartError, match="a scan waits for 301 s"):
        waits.queues()


def test_engines(health: Any, master: Callable[..., Any]) -> None:
    """One that has a problem, or whose worker is silent, is a fault; and so is that there is none."""
    assert master().announced() == "yara on scan@unit"
    with pytest.raises(health.PartError, match="yara on scan@unit: the strings are torn") as caught:
        master(problem="the strings are torn").announced()
    assert not caught.value.startup, "a problem does not go by itself"
    with pytest.raises(health.PartError, match="yara on scan@unit: silent for 46 s") as caught:
        master(heard=46).announced()
    assert caught.value.startup == {"seconds": 45, "nodes": ["master.results", "scan@unit"]}
    none = master()
    none.engines = []
    with pytest.raises(health.PartError, match="no worker has announced one") as caught:
        none.announced()
    assert caught.value.startup == {"seconds": 45, "nodes": NODES}


def test_degraded_engines(health: Any, master: Callable[..., Any]) -> None:
    """One that works without something is degraded, and so is one of a worker that is silent while others have it."""
    lacking = master()
    lacking.engines[0].warning = "without mine.yar(3): no such rule"
    assert health.look(lacking.announced) == {
        "ok": True,
        "degraded": True,
        "said": "yara on scan@unit: without mine.yar(3): no such rule",
    }
    two = master(heard=46)
    two.engines.append(health.Engine(name="yara", worker="scan@other", announced_at=health.clock.now()))
    assert health.look(two.announced)["degraded"]
    two.engines.append(health.Engine(name="clamav", worker="scan@unit", announced_at=two.engines[0].announced_at))
    assert health.look(two.announced)["ok"] is False, "no one else has clamav"


@pytest.fixture
def schedule(health: Any, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """Makes a database in which beat sent a task, the heartbeat ran and the camera took a picture so many seconds
    ago.
    """

    def make(sent: float | None, ran: float | None, seen: float | None) -> Any:
        def ago(seconds: float | None) -> Any:
            return seconds and health.clock.now() - timedelta(seconds=seconds)

        def every(task: str, seconds: int, last: float | None = None) -> Any:
            interval = SimpleNamespace(schedule=SimpleNamespace(run_every=timedelta(seconds=seconds)))
            return SimpleNamespace(task=task, interval=interval, last_run_at=ago(last))

        def model(last: float | None) -> Any:
            def up_to(**limit: Any) -> Any:
                """Find the row, where it is not later."""
                (moment,) = limit.values()
                found = ago(last) if last is not None and ago(last) <= moment else None
                return SimpleNamespace(aggregate=lambda **_: {"last": found})

            return SimpleNamespace(objects=SimpleNamespace(aggregate=lambda **_: {"last": ago(last)}, filter=up_to))

        tasks = [every("scaggr.heartbeat", 30), every("scaggr.refresh_engines", 10, sent)]
        manager = SimpleNamespace(filter=lambda **_: SimpleNamespace(select_related=lambda _: tasks))
        monkeypatch.setattr(health, "PeriodicTask", SimpleNamespace(objects=manager))
        monkeypatch.setattr(health, "Heartbeat", model(ran))
        monkeypatch.setattr(health, "WorkerState", model(seen))
        return health.Master(NODES, 2.0)

    return make


def test_on_time(schedule: Callable[..., Any]) -> None:
    """Beat is on time within twice its interval, the camera within three of its snapshots."""
    made = schedule(sent=29, ran=69, seen=11)
    assert made.beat() == "sent a task 29 s ago, and one ran 69 s ago"
    assert made.camera() == "last snapshot 11 s old"


@pytest.mark.parametrize(
    ("sent", "ran", "said", "seconds"),
    [
        (31, 1, "sent its last task 31 s ago", 30),
        (None, None, "has sent no task", 30),
        (1, 71, "sends tasks, but scaggr.heartbeat ran 71 s ago", 70),
        (1, None, "sends tasks, but scaggr.heartbeat ran never", 70),
        (-7200, 1, "has sent no task since the clock, which was ahead, was set back", 30),
        (1, -7200, "sends tasks, but scaggr.heartbeat ran never", 70),
    ],
)
def test_late_beat(
    health: Any, schedule: Callable[..., Any], sent: float | None, ran: float | None, said: str, seconds: float
) -> None:
    """After a start of its node beat has as long for its first task as it has between two."""
    with pytest.raises(health.PartError, match=said) as caught:
        schedule(sent, ran, 1).beat()
    assert caught.value.startup == {"seconds": seconds, "nodes": ["master.periodic"]}


@pytest.mark.parametrize(
    ("seen", "said"),
    [(13, "last snapshot 13 s old"), (None, "has taken no snapshot"), (-7200, "has taken no snapshot")],
)
def test_late_camera(health: Any, schedule: Callable[..., Any], seen: float | None, said: str) -> None:
    """After a start the camera has the time that its nodes need, and that of its snapshots."""
    with pytest.raises(health.PartError, match=said) as caught:
        schedule(1, 1, seen).camera()
    assert caught.value.startup == {"seconds": 32, "nodes": NODES}


def test_clocks(health: Any, schedule: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker's clock that is wrong is named, and that this host's was ahead is said: degraded."""

    def workers(**offsets: float) -> None:
        found = SimpleNamespace(values_list=lambda *_: offsets.items())
        monkeypatch.setattr(health, "Node", SimpleNamespace(objects=SimpleNamespace(filter=lambda **_: found)))

    workers(near=59.0, early=3600.4, late=-90.0)
    with pytest.raises(health.DegradedError) as wrong:
        schedule(1, 1, 1).clocks()
    assert str(wrong.value) == "that of early is 3600 s ahead of this host's; that of late is 90 s behind this host's"
    workers()
    assert schedule(1, None, 1).clocks() == "those of the workers are as this host's"
    with pytest.raises(health.DegradedError, match=r"^the clock was ahead: there are records until 2"):
        schedule(1, -7200, 1).clocks()


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


def test_nothing_answers(health: Any) -> None:
    """With neither broker nor database both are named, the rest is not known, and no password is reported."""
    found = health.Master(NODES, 2.0).parts()
    assert [name for name, part in found.items() if part["ok"] is False] == ["broker", "database"]
    assert {part["ok"] for name, part in found.items() if name not in ("broker", "database")} == {None}
    assert "127.0.0.1:1 does not answer" in found["broker"]["said"]
    assert "password" not in str(found)
    assert list(health.Master([], 2.0).parts()) == ["broker", "database"]


def test_a_broker_that_takes_nothing(health: Any, monkeypatch: pytest.MonkeyPatch) -> None:
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
    found = health.Master(NODES, 2.0).at_broker()
    assert [part["ok"] for part in found.values()] == [True, True, True, True, False]
    assert found["scan@unit"]["startup"] == {"seconds": 20, "nodes": ["scan@unit"]}
