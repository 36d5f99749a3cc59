"""The manual's other way to run: Django and the workers are started by hand."""

import pytest

from support.machine import CHECKOUT, CREDENTIALS, Machine

pytestmark = [pytest.mark.clone("break"), pytest.mark.hosts("debian13", day=("debian13-plain",))]

OURS = ("gunicorn", "celeryd-master", "celeryd-result", "celeryd-periodic", "celeryd")
DEVELOPMENT = """pillar='{"phagescan": {"mode": "development"}}'"""


@pytest.fixture(scope="module")
def development(machine: Machine) -> Machine:
    """The host in development mode; the last test brings it back."""
    machine.highstate(DEVELOPMENT).ok()
    return machine


@pytest.mark.parametrize("service", OURS)
def test_service_waits(development: Machine, service: str) -> None:
    """Ours is installed, neither running nor started on boot."""
    assert not development.is_running(service)
    assert not development.is_enabled(service)


def test_camera_waits(development: Machine) -> None:
    """No camera runs: it is used in production only."""
    assert "RUNNING" not in development.run("supervisorctl status celerycam").stdout


@pytest.mark.parametrize("service", ["rabbitmq-server", "postgresql", "nginx"])
def test_service_runs(development: Machine, service: str) -> None:
    """What the application needs runs."""
    assert development.is_running(service)


def test_debug_is_on(development: Machine) -> None:
    """Django shows its errors."""
    assert "debug = true" in development.read("/etc/phagescan/master.toml")
    said = development.run(
        "su - avuser -c 'python manage.py shell -c \"from django.conf import settings as s; print(s.DEBUG)\"'"
    )
    assert "True" in said.ok().stdout


def test_status_looks_at_what_runs(development: Machine) -> None:
    """`phagescan.status` finds nothing broken: with the mode in pillar's files it does not look at what waits."""
    development.run(f"cp {CREDENTIALS} {CREDENTIALS}.kept").ok()
    development.run(f"printf '  mode: development\\n' >>{CREDENTIALS}").ok()
    try:
        result = development.run(f"cd {CHECKOUT} && salt-call --local phagescan.status").ok()
    finally:
        development.run(f"mv {CREDENTIALS}.kept {CREDENTIALS}").ok()
    words = {line.split()[1]: line.split()[0] for line in result.stdout.splitlines()}
    assert {name for name, word in words.items() if word == "ok"} == {
        "broker",
        "broker-worker",
        "database",
        "static",
        "disk",
    }
    assert "not looked at: phagescan:mode is development" in result.stdout


def test_second_run_changes_nothing(development: Machine) -> None:
    """It is a state like any other."""
    development.highstate(DEVELOPMENT).clean()


def test_back_to_production(development: Machine) -> None:
    """One highstate makes it a production host again."""
    development.highstate().ok()
    for service in OURS:
        assert development.is_running(service)
        assert development.is_enabled(service)
    development.canary().ok()
