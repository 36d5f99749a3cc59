"""Test hosts: each kind is converged once, and each group of suites has a clone of it to itself."""

from collections.abc import Iterator
from dataclasses import dataclass

import docker
import pytest
import testinfra
from docker.errors import DockerException
from testinfra.host import Host

from support.converged import Converged, FirstRun
from support.machine import Machine
from support.refusal import TOUCHED

HOSTS = ("debian13", "debian12", "debian13-plain")
INITS = ("debian13", "debian13-plain")
# Which clone a suite runs on (marker `clone`), in the order in which groups begin: those that take longest come first.
CLONES = {
    "cut": "runs that are killed, and the power cut",
    "break": "services and files that are broken and repaired, one highstate after the other",
    "scan": "samples and engines, whatever is killed meanwhile",
    "rotate": "other passwords, TLS, secrets that are looked for everywhere",
    "remote": "a master whose worker is on another host",
    "refuse": "pillar and hosts that stop a run before it begins",
    "look": "what a converged host is; the default",
}


@dataclass(frozen=True)
class Place:
    """A clone of a kind of host, for a group of suites."""

    kind: str
    group: str

    def __str__(self) -> str:
        """As it is written in a test's name."""
        return f"{self.kind}-{self.group}"


def pytest_addoption(parser: pytest.Parser) -> None:
    """What test/run passes on."""
    parser.addoption("--run", default="by-hand", help="label of containers and images, for clearing up")
    parser.addoption("--long", action="store_true", help="the long form of suites that have one, which takes hours")
    parser.addoption("--keep", action="store_true", help="keep hosts, images and packages for the next run")
    parser.addoption(
        "--since", default="", help="the revision that test_release begins with, in place of the release before"
    )
    parser.addoption(
        "--inner-loop", action="store_true", help="bring kept hosts up to date; leave Debian 12 to the whole run"
    )
    parser.addoption(
        "--everywhere", action="store_true", help="each suite on every kind of host, whether or not that differs"
    )


def kinds(definition: pytest.Item, config: pytest.Config) -> tuple[str, ...]:
    """The kinds of host that a test runs on."""
    marker = next((marker for marker in definition.iter_markers() if marker.name in ("hosts", "once")), None)
    found = marker.args + of_day(marker) if marker and marker.name == "hosts" else HOSTS[:1] if marker else HOSTS
    if config.getoption("--everywhere") and not (marker and marker.kwargs.get("only")):
        return tuple(dict.fromkeys([*found, *HOSTS]))
    if config.getoption("--inner-loop"):
        return tuple(kind for kind in found if kind in INITS) or found
    return found


def of_day(marker: pytest.Mark | None) -> tuple[str, ...]:
    """The kinds of host that a test runs on in tier `day` only."""
    return tuple(marker.kwargs.get("day", ())) if marker else ()


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A test of hosts runs on each kind that it is about."""
    if "place" in metafunc.fixturenames:
        marker = metafunc.definition.get_closest_marker("clone")
        group = marker.args[0] if marker else "look"
        places = [Place(kind, group) for kind in kinds(metafunc.definition, metafunc.config)]
        metafunc.parametrize("place", places, ids=str, indirect=True, scope="session")


def wanted(item: pytest.Item, place: Place, config: pytest.Config) -> bool:
    """Whether a test runs: not in its long form unless asked, and a parameter marked `once` on one kind of host."""
    if item.get_closest_marker("long") and not config.getoption("--long"):
        return False
    return place.kind in kinds(item, config)


def place_of(item: pytest.Item) -> Place | None:
    """The clone that a test runs on; None of one that asks no host."""
    return getattr(getattr(item, "callspec", None), "params", {}).get("place")


@pytest.hookimpl(wrapper=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> Iterator[None]:
    """Tests of a clone run one after the other, on one worker of pytest-xdist; after pytest's own order comes ours."""
    items[:] = [item for item in items if not (place := place_of(item)) or wanted(item, place, config)]
    written = [(item, place_of(item)) for item in items]
    for item, place in written:
        if place:
            item.add_marker(pytest.mark.xdist_group(str(place)))
            marker = item.get_closest_marker("hosts")
            if place.kind in of_day(marker) and not config.getoption("--everywhere"):
                item.add_marker(pytest.mark.day)
    yield
    left = set(map(id, items))  # an item's hash is that of its name, to which xdist has added the group
    hosts = [(item, place) for item, place in written if place and id(item) in left]
    order = begin({place for _, place in hosts})
    hosts.sort(key=lambda entry: (order.index(entry[1]), bool(entry[0].get_closest_marker("last"))))
    others = [item for item, place in written if not place and id(item) in left]
    items[:] = [*(item for item, _ in hosts), *others]


def begin(places: set[Place]) -> list[Place]:
    """Which clones come first: one of each kind, so that all kinds converge at once; then those that take longest."""
    order = sorted(places, key=lambda place: (list(CLONES).index(place.group), place.kind))
    first = {place.kind: place for place in reversed(order)}.values()
    return [*(place for place in order if place in first), *(place for place in order if place not in first)]


def pytest_sessionfinish(session: pytest.Session) -> None:
    """What the run made is removed, unless it is to be kept."""
    if hasattr(session.config, "workerinput") or session.config.getoption("--keep"):
        return
    try:
        client = docker.from_env(timeout=600)
        client.ping()
    except DockerException:  # no test of hosts has run
        return
    label = {"label": f"phagescan-test-run={session.config.getoption('--run')}"}
    for container in client.containers.list(all=True, filters=label):
        container.remove(force=True, v=True)
    for image in client.images.list(filters=label):
        client.images.remove(image.id, force=True)


@pytest.fixture(scope="session")
def place(request: pytest.FixtureRequest) -> Place:
    """The clone that a test runs on."""
    return request.param


@pytest.fixture(scope="session")
def image(place: Place, request: pytest.FixtureRequest) -> Converged:
    """The image of its kind, made from a bare host."""
    return Converged(place.kind, request.config.getoption("--run"), upgrade=request.config.getoption("--inner-loop"))


@pytest.fixture(scope="session")
def first_run(image: Converged) -> FirstRun:
    """What was seen while the host converged."""
    return image.get()


@pytest.fixture(scope="session")
def machine(place: Place, image: Converged, first_run: FirstRun, request: pytest.FixtureRequest) -> Iterator[Machine]:
    """A converged host."""
    machine = Machine(place.kind, request.config.getoption("--run"), str(place), image=image.image)
    machine.start()
    (machine.output / "bootstrap.txt").write_text(str(first_run.bootstrap))
    yield machine
    if request.config.getoption("--keep"):
        machine.container.stop(timeout=120)  # to be looked at: docker start
    else:
        machine.end()


@pytest.fixture
def drifted(machine: Machine) -> Iterator[None]:
    """A host on which any run would have something to do."""
    machine.run(f"mv {TOUCHED} /root/put-away && touch /root/marker").ok()
    yield
    machine.run(f"mv /root/put-away {TOUCHED}").ok()


@pytest.fixture(scope="session")
def host(machine: Machine) -> Host:
    """The converged host, as testinfra sees it."""
    return testinfra.get_host(f"docker://{machine.container_name}")


@pytest.fixture(scope="session")
def long(request: pytest.FixtureRequest) -> bool:
    """Whether suites that have a long form run it."""
    return request.config.getoption("--long")


@pytest.fixture(scope="session")
def systemd(machine: Machine) -> bool:
    """Whether this host has systemd."""
    return machine.spec.systemd
