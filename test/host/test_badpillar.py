"""Bad input stops the run before the host is touched, with the key and the reason in one line."""

import json
from typing import Any

import pytest

from support.machine import CHECKOUT, Machine
from support.refusal import assert_stopped

pytestmark = [pytest.mark.clone("refuse"), pytest.mark.once]


def user(password: Any) -> dict[str, Any]:
    """Pillar that gives the master's broker user this password."""
    return {"rabbitmq": {"users": {"phagemasteruser": {"password": password}}}}


CASES: dict[str, tuple[dict[str, Any], str]] = {
    "password missing": (user(None), "rabbitmq:users:phagemasteruser:password"),
    "password empty": (user(""), "rabbitmq:users:phagemasteruser:password"),
    "password too short": (user("short"), "rabbitmq:users:phagemasteruser:password"),
    "password begins with a dash": (user("-rf0123456789abcdef"), "rabbitmq:users:phagemasteruser:password"),
    "password has a line break": (user("0123456789abcdef\nx"), "rabbitmq:users:phagemasteruser:password"),
    "password is a number": (user(123456789012345678), "rabbitmq:users:phagemasteruser:password"),
    "sample password, broker": (user("longmasterpassword"), "rabbitmq:users:phagemasteruser:password"),
    "sample password, database": (
        {"postgresql": {"roles": {"citestsuper": {"password": "sup3rdup3r"}}}},
        "postgresql:roles:citestsuper:password",
    ),
    "admin's password missing": ({"phagescan": {"admin": {"password": None}}}, "phagescan:admin:password"),
    "secret key too short": ({"phagescan": {"secret_key": "short"}}, "phagescan:secret_key"),
    "mode unknown": ({"phagescan": {"mode": "holiday"}}, "phagescan:mode"),
    "role unknown": ({"phagescan": {"roles": ["butler"]}}, "phagescan:roles"),
    "permissions incomplete": (
        {"rabbitmq": {"users": {"phagemasteruser": {"permissions": {"phage": [".*"]}}}}},
        "rabbitmq:users:phagemasteruser:permissions",
    ),
    "key unknown": ({"nginx": {"site": {"listen": 80}}}, "nginx:site: is not a key"),
    "permission on no vhost": (
        {"rabbitmq": {"users": {"phagemasteruser": {"permissions": {"shop": [".*", ".*", ".*"]}}}}},
        "rabbitmq:users:phagemasteruser:permissions: vhost shop",
    ),
    "owner is no role": (
        {"postgresql": {"databases": {"phage": {"owner": "nobody"}}}},
        "postgresql:databases:phage:owner",
    ),
    "two services on one port": ({"rabbitmq": {"port": 9000}}, "gunicorn:bind: port 9000"),
    "name misread": ({"rabbitmq": {"vhosts": ["phage", "name"]}}, "rabbitmq:vhosts:name"),
    "samples where code is": (
        {"phagescan": {"scan": {"sample_root": "/opt/phagescan/samples"}}},
        "phagescan:scan:sample_root: must not be in phagescan:root",
    ),
}


@pytest.mark.usefixtures("drifted")
@pytest.mark.parametrize("case", CASES)
def test_stops(machine: Machine, case: str) -> None:
    """The run stops and names the key."""
    pillar, key = CASES[case]
    value: Any = pillar
    while isinstance(value, dict):
        value = next(iter(value.values()))
    secret = str(value) if key.endswith("password") and len(str(value)) > 6 else ""
    assert_stopped(machine, f"pillar='{json.dumps(pillar)}'", key, secret)


@pytest.mark.usefixtures("drifted")
def test_preview_stops(machine: Machine) -> None:
    """A preview says the same."""
    assert_stopped(machine, "test=True pillar='{nginx: {site: {}}}'", "nginx:site: is not a key")


def test_doctor(machine: Machine) -> None:
    """The doctor tells every fault of the files, and fails; of good ones it tells that they are."""
    path = f"{CHECKOUT}/pillar/supervisord.sls"
    good = machine.read(path)
    assert "No faults in pillar or host." in machine.run("salt-call --local phagescan.doctor").ok().stdout
    machine.put({path: f"{good}  program: {{}}\n  worker: none\n".encode()})
    try:
        reported = machine.run("salt-call --local phagescan.doctor")
    finally:
        machine.put({path: good.encode()})
    assert reported.code != 0
    for key in ("supervisord:program: is not a key; did you mean programs?", "supervisord:worker: is not a key"):
        assert key in f"{reported.stdout}{reported.stderr}"


@pytest.mark.usefixtures("drifted")
def test_unknown_system_stops(machine: Machine) -> None:
    """A host of another family is refused by name."""
    override = f"{CHECKOUT}/roots/minion/minion.d/zz-test.conf"
    machine.put({override: b"grains: {os: Plan9, os_family: Plan9, osfinger: Plan9-4, osmajorrelease: 4}\n"})
    try:
        assert_stopped(machine, "", "Plan9")
    finally:
        machine.run(f"rm {override}").ok()


@pytest.mark.usefixtures("drifted")
def test_missing_credentials_stop(machine: Machine) -> None:
    """Without credentials nothing is done."""
    machine.run(f"mv {CHECKOUT}/pillar/credentials.sls /root/credentials.sls").ok()
    try:
        assert_stopped(machine, "", "rabbitmq:users:phagemasteruser:password")
    finally:
        machine.run(f"mv /root/credentials.sls {CHECKOUT}/pillar/credentials.sls").ok()


def test_stranger_is_refused(machine: Machine) -> None:
    """Bootstrap wants root, and says so."""
    refused = machine.run(f"cd {CHECKOUT} && ./bootstrap", user="nobody")
    assert refused.code != 0
    assert "root" in refused.stderr


def test_all_is_well_again(machine: Machine) -> None:
    """None of this left a trace."""
    machine.highstate().clean()
