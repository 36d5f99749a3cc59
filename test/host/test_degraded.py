"""What is degraded or broken without any file of ours being another: named by status, and put right by a highstate."""

import json

import pytest

from support.logins import query
from support.machine import Machine
from support.scanning import Api
from support.status import status
from support.waiting import wait_until

pytestmark = [pytest.mark.clone("break"), pytest.mark.once]

BROKEN, DEGRADED = "broken", "degraded"
SAMPLES = "/var/lib/phagescan/samples"
RULES = {
    "a": "rule A { condition: B }",
    "b": 'rule B { strings: $a = "badge" condition: $a }',
    "c": "rule C { condition: D }",
}
WORKERS = "select string_agg(distinct worker, ' ') from scaggr_engine"


def reported(machine: Machine, how: str) -> dict[str, str]:
    """What is said of each part that is broken, or degraded."""
    parts = status(machine)[1]
    return {
        name: part["said"]
        for name, part in parts.items()
        if (part["ok"] is False if how == BROKEN else part.get("degraded"))
    }


def test_samples_of_another_user(machine: Machine) -> None:
    """They are named, and given back by one highstate; what is known of can be handed in again."""
    api = Api(machine)
    api.scan(b"somebody else's")
    machine.run(f"chown -R 4242 {SAMPLES}").ok()
    assert "uid 4242" in reported(machine, BROKEN)["samples"]
    assert "application-samples-owned" in machine.highstate().ok().text()
    assert machine.run(f"find {SAMPLES} -user 4242").ok().stdout == ""
    assert api.scan(b"somebody else's")["yara"]["infected"] is False
    machine.highstate().clean()


def test_disk_over_samples(machine: Machine) -> None:
    """A service that does not see the disk is named and restarted, and so are the samples below; and once more when the
    disk is gone.
    """
    api = Api(machine)
    api.scan(b"below the disk")
    machine.run(f"mount -t tmpfs none {SAMPLES}").ok()
    try:
        assert SAMPLES in reported(machine, BROKEN)["web"]
        assert "gunicorn restart" in machine.highstate().ok().text()
        wait_until(lambda: not reported(machine, BROKEN), "nothing is broken", 60)
        assert "are gone, such as" in reported(machine, DEGRADED)["samples"]
        digest = api.upload(b"on the disk").json()["sha256"]
        machine.run(f"test -f {SAMPLES}/{digest[:2]}/{digest}").ok()
        machine.highstate().clean()
    finally:
        machine.run(f"cp -a {SAMPLES} /root/ && umount {SAMPLES} && cp -a /root/samples/. {SAMPLES}").ok()
    assert "gunicorn restart" in machine.highstate().ok().text()
    wait_until(lambda: not reported(machine, BROKEN), "nothing is broken", 60)


def test_rule_that_does_not_compile(machine: Machine) -> None:
    """It is named with its line by the run and by status, the others go on, and they may refer to each other."""
    failed = machine.highstate(f"pillar='{json.dumps({'phagescan': {'engines': {'yara': {'rules': RULES}}}})}'")
    assert [change.identifier for change in failed.failed] == ["application-yara-compiled"]
    assert 'c.yar(1): undefined identifier "D"' in failed.failed[0].comment
    wait_until(lambda: "c.yar(1)" in reported(machine, DEGRADED).get("engines", ""), "status names the file", 60)
    assert status(machine)[0] == 0
    verdict = Api(machine).scan(b"a badge")["yara"]
    assert verdict["infected"] is True
    assert {"A", "B"} <= {*verdict["metadata"]["rules"].replace(",", " ").split()}
    machine.highstate().ok()
    wait_until(lambda: not reported(machine, DEGRADED).get("engines"), "all rules compile", 60)


@pytest.mark.day
def test_renamed_host(machine: Machine) -> None:
    """Its worker is degraded, one highstate restarts it, and its former name goes."""
    name = machine.run("hostname").ok().stdout.strip()
    machine.run("hostname renamed && sed 's/$/ renamed/' /etc/hosts >/root/hosts && cat /root/hosts >/etc/hosts").ok()
    try:
        assert "works as scan@" in reported(machine, DEGRADED)["scan"]
        assert not reported(machine, BROKEN)
        assert "celeryd restart" in machine.highstate().ok().text()
        wait_until(lambda: query(machine, WORKERS) == "scan@renamed", "the former name is gone")
        assert not reported(machine, BROKEN)
        assert not reported(machine, DEGRADED)
    finally:
        machine.run(f"hostname {name} && sed -i 's/ renamed$//' /root/hosts && cat /root/hosts >/etc/hosts").ok()
    machine.highstate().ok()
    wait_until(lambda: query(machine, WORKERS) == f"scan@{name}", "the former name is gone")
