"""From Debian 12 to 13: RabbitMQ 3.10 stays, and works, until its database is set aside; RabbitMQ 4 does not start on
it.
"""

import re
from collections.abc import Iterator

import pytest

from support.machine import CHECKOUT, Machine

pytestmark = [pytest.mark.day, pytest.mark.clone("refuse"), pytest.mark.hosts("debian12", only=True), pytest.mark.last]

PIN = "/etc/apt/preferences.d/salt-rabbitmq.pref"
NEXT = "/etc/apt/sources.list.d/next.list"
APT = "DEBIAN_FRONTEND=noninteractive apt-get -q --yes --option Dpkg::Options::=--force-confold"


@pytest.fixture
def trixie(machine: Machine) -> Iterator[None]:
    """apt knows Debian 13 as well."""
    machine.run(f"sed s/bookworm/trixie/ /etc/apt/sources.list >{NEXT} && apt-get -q update").ok()
    yield
    machine.run(f"rm {NEXT} && apt-get -q update").ok()


def upgraded(machine: Machine) -> set[str]:
    """Names of the packages that an upgrade of the system would bring."""
    return set(re.findall(r"(?m)^Inst (\S+)", machine.run("apt-get -s full-upgrade").ok().stdout))


@pytest.mark.usefixtures("trixie")
def test_kept(machine: Machine) -> None:
    """An upgrade of the system leaves the broker and its Erlang alone, and an installation by name does, too."""
    broker = {"rabbitmq-server", "erlang-base"}
    packages = upgraded(machine)
    assert "libc6" in packages, "there is nothing to upgrade"
    assert not packages & broker
    assert "Inst " not in machine.run("apt-get -s install rabbitmq-server").ok().stdout
    machine.run(f"mv {PIN} /root/").ok()
    try:
        assert upgraded(machine) >= broker
    finally:
        machine.run(f"mv /root/salt-rabbitmq.pref {PIN}").ok()


def test_doctor(machine: Machine) -> None:
    """The doctor says that it is kept, and how to go on."""
    reported = machine.run("salt-call --local phagescan.doctor").ok().stdout
    assert "Note: rabbitmq: 3.10.8 is kept from version 4" in reported
    assert f"rm {PIN}" in reported


def test_hold_of_the_operator(machine: Machine) -> None:
    """A hold of the operator's own stays, and a run has nothing to do."""
    machine.run("apt-mark hold rabbitmq-server").ok()
    try:
        machine.highstate().clean()
        assert machine.run("apt-mark showhold").stdout.split() == ["rabbitmq-server"]
    finally:
        machine.run("apt-mark unhold rabbitmq-server").ok()


@pytest.mark.long
def test_upgrade(machine: Machine) -> None:
    """The system upgraded, the broker still works; the steps that the doctor tells lead to RabbitMQ 4. Data stays."""
    machine.run("sed -i s/bookworm/trixie/ /etc/apt/sources.list && apt-get -q update").ok()
    machine.run(f"{APT} full-upgrade").ok()
    machine.service("rabbitmq-server", "restart").ok()
    # What PostgreSQL 15 holds is the operator's to bring to 17; until then pillar says so.
    refused = machine.bootstrap()
    assert "or postgresql:version to 15 to stay with 15/main" in refused.stdout
    machine.run(f"sed -i 's/^postgresql:/&\\n  version: 15/' {CHECKOUT}/pillar/postgresql.sls").ok()
    machine.bootstrap().ok()
    assert "3.10.8" in machine.run("rabbitmqctl version").ok().stdout

    reported = machine.run("salt-call --local phagescan.doctor").ok().stdout
    steps = [line.strip() for line in reported.partition("go on so:")[2].splitlines() if line.strip()]
    assert len(steps) == 7
    for step in steps:
        machine.run(step.replace("apt-get", APT)).ok()
    assert "4.0" in machine.run("rabbitmqctl version").ok().stdout
    machine.canary().ok()
    assert machine.run(f"test -e {PIN}").code != 0
    machine.highstate().clean()
    assert "rabbitmq" not in machine.run("salt-call --local phagescan.doctor").ok().stdout
