"""A host has the packages that we name and what those depend on, and its logs are rotated."""

import re

import pytest

from support.machine import Machine
from support.packages import installed, only_recommended

STATUS = "/var/lib/logrotate/status"
LOGS = (
    *("phagescan/celeryd-master.log", "phagescan/gunicorn-error.log", "phagescan-worker/celeryd.log"),
    *("nginx/access.log", "rabbitmq/rabbit@localhost.log", "postgresql/postgresql-"),
)


def test_nothing_is_only_recommended(machine: Machine) -> None:
    """apt would bring what packages recommend, without our option: statistics, a mail server."""
    assert "true" in machine.run("apt-config shell WANTED APT::Install-Recommends/b").ok().stdout
    assert only_recommended(machine) == set()
    found = installed(machine)
    assert {"rabbitmq-server", "supervisor", "logrotate", "ca-certificates"} <= found
    assert not [name for name in found if re.match(r"sysstat|exim4|postfix|bsd-mailx|libsctp1", name)]


def test_nothing_is_held(machine: Machine) -> None:
    """What kept packages from starting services while apt was at work is gone."""
    assert machine.run("ls /usr/sbin/policy-rc.d*").stdout == ""


@pytest.fixture
def forgotten(machine: Machine) -> None:
    """logrotate knows of no log."""
    machine.run(f"rm -f {STATUS}").ok()


@pytest.mark.usefixtures("forgotten")
def test_logs_are_rotated_daily(machine: Machine) -> None:
    """systemd's timer or cron runs logrotate, which finds the logs of every service."""
    if machine.spec.systemd:
        machine.run("systemctl is-active logrotate.timer && systemctl is-enabled logrotate.timer").ok()
        machine.run("systemctl start logrotate.service").ok()
    else:
        assert machine.is_running("cron")
        assert machine.is_enabled("cron")
        assert "/etc/cron.daily/logrotate" in machine.run("run-parts --test /etc/cron.daily").ok().stdout
        machine.run("env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin /etc/cron.daily/logrotate").ok()
    known = machine.read(STATUS)
    assert not [log for log in LOGS if f'"/var/log/{log}' not in known], known
