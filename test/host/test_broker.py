"""RabbitMQ 4 on a database that 3.10 has left."""

import re

import pytest

from support.machine import Machine
from support.refusal import assert_stopped

pytestmark = [pytest.mark.clone("refuse"), pytest.mark.hosts("debian13", "debian13-plain", only=True), pytest.mark.last]

DATABASES = "/var/lib/rabbitmq/mnesia"
FLAGS = f"{DATABASES}/rabbit@localhost-feature_flags"
OLD = """[classic_mirrored_queue_version,implicit_default_bindings,
 maintenance_mode_status,quorum_queue,stream_queue,user_limits,
 virtual_host_metadata].
"""


@pytest.mark.usefixtures("drifted")
def test_it_is_told(machine: Machine) -> None:
    """A broker that does not start on it stops the run, which says so at once, and how to go on."""
    machine.service("rabbitmq-server", "stop").ok()
    machine.put({"/root/flags": OLD.encode()})
    machine.run(f"cat /root/flags >{FLAGS}").ok()
    assert machine.service("rabbitmq-server", "start").code != 0, "it started: there is nothing to mend"
    assert_stopped(
        machine, "", "rabbitmq: version 4 does not start on the database of version 3 that is here; go on so: service"
    )


def test_how_to_go_on(machine: Machine) -> None:
    """Those steps lead to a working broker, and keep what was there."""
    reported = machine.run("salt-call --local phagescan.doctor")
    steps = re.findall("go on so: (.*)", reported.stderr)[0].split("; ")
    assert f"mv -T {DATABASES} {DATABASES}.3" in steps
    for step in steps:
        machine.run(step).ok()
    machine.run(f"test -e {DATABASES}.3/rabbit@localhost-feature_flags").ok()
    machine.canary().ok()
    machine.run(f"rm -r {DATABASES}.3").ok()
    machine.highstate().clean()
