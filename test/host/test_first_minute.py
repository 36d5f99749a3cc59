"""What `phagescan.status` says while services have only just been started: well, for as long as they may take and no
longer.
"""

from collections.abc import Iterator
from typing import Any

import pytest

from support.converged import FirstRun
from support.machine import Machine
from support.status import GIVE_LOCK, SQL, TAKE_LOCK, status
from support.waiting import wait_until

pytestmark = pytest.mark.clone("break")
# Who knows since when a service runs is its init.
INITS = pytest.mark.hosts("debian13", "debian13-plain")

FORGET = (
    "update django_celery_beat_periodictask set last_run_at = null, total_run_count = 0, date_changed = now()",
    "delete from scaggr_heartbeat",
)
INTERVAL = (
    "from django_celery_beat.models import *;"
    'IntervalSchedule.objects.filter(periodictask__name=\\"Heartbeat\\").update(every={seconds});'
    "PeriodicTasks.update_changed()"
)


def broken(parts: dict[str, Any]) -> dict[str, str]:
    """What is said of each part that is broken."""
    return {name: part["said"] for name, part in parts.items() if part["ok"] is False}


def begin_anew(machine: Machine) -> None:
    """Make beat one that has never sent anything, and is started now, as after the first run on a bare host."""
    machine.service("celeryd-periodic", "stop").ok()
    machine.run(f"""echo "{"; ".join(FORGET)}" | {SQL}""").ok()
    machine.service("celeryd-periodic", "start").ok()


def set_heartbeat(machine: Machine, seconds: int) -> None:
    """Have the heartbeat sent every so many seconds."""
    machine.run(f"""su - avuser -c 'python manage.py shell -c "{INTERVAL.format(seconds=seconds)}"'""").ok()


@pytest.fixture
def slow_heartbeat(machine: Machine) -> Iterator[None]:
    """A heartbeat that is not due while the test looks, however slow the host is."""
    set_heartbeat(machine, 600)
    yield
    set_heartbeat(machine, 30)


@pytest.fixture
def without_lock(machine: Machine) -> Iterator[None]:
    """Another session has beat's lock, so that beat never sends."""
    machine.run(TAKE_LOCK).ok()
    yield
    machine.run(GIVE_LOCK)
    wait_until(lambda: not broken(status(machine)[1]), "all is well again", 60)


def test_right_after_bootstrap(first_run: FirstRun) -> None:
    """On a bare host that ./bootstrap has just made a master, every part is ok."""
    lines = first_run.status.ok().stdout.splitlines()
    assert {line.split()[0] for line in lines} == {"ok"}, first_run.status


@pytest.mark.once
@pytest.mark.day
def test_a_new_beat(machine: Machine, slow_heartbeat: None) -> None:
    """A beat that was started a moment ago is well, and then for what it does."""
    begin_anew(machine)
    code, parts = status(machine)
    assert code == 0, broken(parts)
    assert "celeryd-periodic was started " in parts["beat"]["said"]
    set_heartbeat(machine, 30)
    wait_until(lambda: status(machine)[1]["beat"]["said"].startswith("sent a task"), "beat has sent its tasks", 60)
    assert status(machine)[0] == 0


@pytest.mark.once
@pytest.mark.day
def test_a_beat_that_never_works(machine: Machine, without_lock: None) -> None:
    """It is well for its first half minute, and then broken for good: a start explains no more than that."""
    begin_anew(machine)
    named = wait_until(lambda: broken(status(machine)[1]), "beat is named", 60)
    assert named == {"beat": "has sent no task"}


@pytest.mark.once
@pytest.mark.day
def test_a_beat_that_ends_again_and_again(machine: Machine, slow_heartbeat: None, systemd: bool) -> None:
    """One that systemd had to start again has no time to begin: it would always be new."""
    begin_anew(machine)
    machine.run("pkill -KILL -f '[c]onfig=periodicceleryconfig'").ok()
    if not systemd:
        # Nothing starts it again there.
        assert list(broken(status(machine)[1])) == ["master.periodic"]
        machine.service("celeryd-periodic", "start").ok()
        return
    wait_until(lambda: list(broken(status(machine)[1])) == ["beat"], "beat is named, once its node is back", 10)
    set_heartbeat(machine, 30)
    wait_until(lambda: not broken(status(machine)[1]), "the heartbeat ran", 60)


@INITS
@pytest.mark.day
@pytest.mark.parametrize(
    "service",
    ["celeryd-master", "celeryd-result", "celeryd-periodic", "celeryd", "gunicorn", "supervisord", "rabbitmq-server"],
)
def test_a_restart(machine: Machine, service: str) -> None:
    """After the restart of a service nothing is broken, at once and a moment later."""
    machine.service(service, "restart").ok()
    for _ in range(2):
        code, parts = status(machine)
        assert code == 0, broken(parts)


@pytest.mark.once
@pytest.mark.day
def test_a_long_absence(machine: Machine) -> None:
    """What was stopped for longer than anything may take is as new when it is started, all of it."""
    ps_services = "/opt/phagescan/dev/ps_services.sh"
    machine.run(f"{ps_services} stop").ok()
    past = "now() - interval '1 hour'"
    for change in (
        f"update django_celery_beat_periodictask set last_run_at = {past}",
        f"update scaggr_heartbeat set ran_at = {past}",
        f"update scaggr_workerstate set last_heartbeat = {past}",
        f"update scaggr_engine set announced_at = {past}",
    ):
        machine.run(f"""echo "{change}" | {SQL}""").ok()
    machine.run(f"{ps_services} start").ok()
    for _ in range(3):
        code, parts = status(machine)
        assert code == 0, broken(parts)
