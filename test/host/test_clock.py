"""A clock that was ahead and was set back, and one of a worker that is wrong."""

import re
import shlex
from collections.abc import Iterator

import pytest

from support.logins import query
from support.machine import Machine
from support.status import status
from support.waiting import wait_until

pytestmark = [pytest.mark.clone("break"), pytest.mark.once]

# What beat, camera and workers have written while the clock was two hours ahead.
AHEAD = """
    update django_celery_beat_periodictask set last_run_at = now() + interval '2 hours';
    update django_celery_beat_periodictasks set last_update = now() + interval '2 hours';
    update scaggr_heartbeat set sent_at = sent_at + interval '2 hours', ran_at = ran_at + interval '2 hours';
    update scaggr_workerstate set last_heartbeat = now() + interval '2 hours';
    update scaggr_engine set announced_at = now() + interval '2 hours'
"""
NEW = "select count(*) from scaggr_heartbeat where sent_at between now() - interval '1 minute' and now()"
WATCHED = ("/etc/gunicorn/gunicorn.conf.py", "/opt/phagescan/scaggr/models/samples.py")
ANNOUNCE = """
import time
from shared.app import app
from shared.queues import RESULTS
engines = [dict(name="yara", kind="evilness", version="1", problem="")]
app.send_task("scaggr.announce", kwargs=dict(worker="scan@ahead", engines=engines), queue=RESULTS,
              exchange=RESULTS.exchange.name, routing_key=RESULTS.routing_key, user_id=app.login,
              timestamp=int(time.time()) + 3600, ignore_result=True)
"""


@pytest.fixture
def ahead(machine: Machine) -> Iterator[Machine]:
    """The host, whose clock was ahead until now."""
    machine.service("celeryd-periodic", "stop").ok()
    query(machine, AHEAD)
    machine.service("celeryd-periodic", "start").ok()
    yield machine
    query(machine, "delete from scaggr_heartbeat where sent_at > now()")


@pytest.fixture
def worker(machine: Machine) -> Iterator[str]:
    """A worker whose clock is an hour ahead, as far as the master has heard of it."""
    environment = "CELERY_CONFIG_MODULE=workerceleryconfig"
    command = f"cd /opt/phagescan && {environment} /opt/phagescan-venv/bin/python -c {shlex.quote(ANNOUNCE)}"
    machine.run(command, user="avscan").ok()
    yield "scan@ahead"
    query(machine, "delete from scaggr_engine where worker = 'scan@ahead'")
    query(machine, "delete from scaggr_node where hostname = 'scan@ahead'")


@pytest.mark.day
def test_the_clock_was_ahead(ahead: Machine) -> None:
    """Periodic tasks go on, status says what was, and nothing happened in the future."""
    wait_until(lambda: query(ahead, NEW) != "0", "the heartbeat is sent again", 200)
    parts = wait_until(lambda: (found := status(ahead))[0] == 0 and found[1], "all is well", 60)
    assert parts["clocks"]["degraded"]
    assert parts["clocks"]["said"].startswith("the clock was ahead: there are records until ")
    assert "ahead" not in parts["beat"]["said"] + parts["camera"]["said"]
    assert not [part["said"] for part in parts.values() if " -" in part["said"]]


def test_files_of_tomorrow(machine: Machine) -> None:
    """What reads them is restarted once, and a preview says so."""
    machine.run(f"touch -d '+2 hours' {' '.join(WATCHED)}").ok()
    foreseen = {change.identifier for change in machine.highstate("test=True").ok().changed}
    done = {change.identifier for change in machine.highstate().ok().changed}
    assert done == foreseen
    assert {"gunicorn-service", "celery-celeryd-service"} <= done
    assert machine.highstate().ok().changed == []


def test_the_clock_of_a_worker(machine: Machine, worker: str) -> None:
    """Status and doctor name it; that is no fault."""
    said = f"that of {worker} is 3[56]\\d\\d s ahead of this host's"
    wait_until(lambda: query(machine, "select count(*) from scaggr_node where clock > 3000") == "1", "it was heard")
    code, parts = status(machine)
    assert code == 0
    assert parts["clocks"]["degraded"]
    assert re.search(said, parts["clocks"]["said"])
    assert worker in machine.run("salt-call --local phagescan.doctor").ok().stdout
