"""One test host a pytest: made bare, converged as a new user would, then asked by every suite in this order."""

import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import pytest
import testinfra
from testinfra.host import Host

from machine import HOSTS, Highstate, Machine, Result
from neighbours import move_in
from refusal import TOUCHED

# What only looks comes first; what breaks and repairs comes late; the reboot and the upgrade are last.
ORDER = [
    "preview",
    "rabbitmq",
    "postgresql",
    "nginx",
    "gunicorn",
    "celery",
    "worker",
    "supervisord",
    "phagescan",
    "saltfile",
    "status",
    "first_minute",
    "scanning",
    "clamav",
    "kills",
    "browser",
    "smoke",
    "rotation",
    "hardening",
    "secrets",
    "encrypted",
    "remote",
    "tls",
    "ports",
    "coexist",
    "idempotence",
    "processes",
    "badpillar",
    "preflight",
    "manual",
    "development",
    "drift",
    "concurrency",
    "interrupted",
    "broker",
    "reboot",
    "upgrade",
]

# Suites of some hosts.
ONLY = {
    "test_coexist": "coexist",
    "test_remote": "debian12",
    "test_broker": "debian13 debian13-plain",
    "test_upgrade": "debian12",
    "test_rotation": "debian13 debian13-plain",
    "test_secrets": "debian13 debian12",
    "test_tls": "debian13 debian12",
}


def pytest_addoption(parser: pytest.Parser) -> None:
    """Which host this is about."""
    parser.addoption("--test-host", choices=sorted(HOSTS), default="debian13")
    parser.addoption("--run", default="by-hand", help="label of the container, for clearing up")
    parser.addoption("--long", action="store_true", help="the long form of suites that have one")
    parser.addoption("--keep", action="store_true", help="keep the host, and use a kept one")


def pytest_configure(config: pytest.Config) -> None:
    """What a test may be marked with."""
    config.addinivalue_line("markers", "long: takes minutes; runs with --long")
    config.addinivalue_line("markers", "once: is no matter of release or init; runs on debian13, and everywhere with --long")


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """The host with things of its own answers its own suite, and the others the rest; one has a worker beside it."""
    if collection_path.name.startswith("test_"):
        host, suite = config.getoption("--test-host"), collection_path.stem
        if host == "coexist":
            return suite not in ("test_coexist", "test_idempotence")
        return True if host not in ONLY.get(suite, host).split() else None
    return None


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Put the suites in order, and leave out what takes long, or is the same on another host, unless that is wanted."""
    if not config.getoption("--long"):
        left_out = ["long"] if config.getoption("--test-host") == "debian13" else ["long", "once"]
        items[:] = [item for item in items if not any(map(item.get_closest_marker, left_out))]
    items.sort(key=lambda item: ORDER.index(item.path.stem.removeprefix("test_")))


def pytest_report_header(config: pytest.Config) -> str:
    """Name the host."""
    return f"test host: {config.getoption('--test-host')}"


@pytest.fixture(scope="session")
def bare(request: pytest.FixtureRequest) -> Iterator[Machine]:
    """The host as it was delivered, with the checkout on it."""
    option = request.config.getoption
    machine = Machine(option("--test-host"), option("--run"), option("--keep"))
    machine.start()
    try:
        if machine.name == "coexist" and machine.fresh:
            move_in(machine)
        machine.put_tree()
        yield machine
    finally:
        machine.end()


@pytest.fixture(scope="session")
def preview(bare: Machine) -> Highstate:
    """What a preview of the bare host says; on a kept host, what it said then."""
    kept = bare.output / "preview.json"
    if bare.fresh:
        bare.bootstrap("test=True", kept="bootstrap-preview").ok()
        preview = bare.highstate("test=True")
        kept.write_text(json.dumps(asdict(preview)))
        return preview
    saved = json.loads(kept.read_text())
    return Highstate(Result(**saved["ran"]), saved["states"])


@pytest.fixture(scope="session")
def machine(bare: Machine, preview: Highstate) -> Machine:
    """The converged host."""
    bare.bootstrap(kept="bootstrap").ok()
    return bare


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
def systemd(request: pytest.FixtureRequest) -> bool:
    """Whether this host has systemd."""
    return HOSTS[request.config.getoption("--test-host")].systemd
