"""What root runs is what the checkout says, whatever lies in the directory that root is in, or is named by the
environment.
"""

import json
from collections.abc import Iterator

import pytest

from support.machine import CHECKOUT, Machine

EVIL = "/var/tmp/evil"  # noqa: S108  # a directory that anyone may write to is what this is about
OWNED = "/root/owned"
# Each runs its command where it is read, so that a preview is enough to see whether it was.
FILES = {
    "Saltfile": f"salt-call:\n  config_dir: {EVIL}/minion\n",
    ".salt/Saltfile": f"salt-call:\n  config_dir: {EVIL}/minion\n",
    "minion/minion": f"id: evil\nfile_client: local\ncachedir: {EVIL}/cache\nfile_roots: {{base: [{EVIL}/states]}}\n",
    "states/top.sls": "base: {'*': [own]}\n",
    "states/own.sls": f"{{%- do salt['cmd.run']('touch {OWNED}') %}}\nown: {{test.nop: []}}\n",
    **{f"{name}.py": f"open('{OWNED}', 'w').close()\n" for name in ("sitecustomize", "venv", "pip", "salt/__init__")},
}
PREVIEW = "salt-call --local state.highstate test=True --out=json"
# What Salt asks of a host by name, and would run from the first directory of PATH.
PROGRAMS = ("dpkg", "id", "ip", "ldconfig", "systemctl", "systemd-detect-virt", "uname", "which")
ENVIRONMENTS = {
    "SALT_SALTFILE": f"{EVIL}/Saltfile",
    "SALT_CONFIG_DIR": f"{EVIL}/minion",
    "SALT_MINION_CONFIG": f"{EVIL}/minion/minion",
    "HOME": EVIL,
    "PYTHONPATH": EVIL,
}


@pytest.fixture
def evil(machine: Machine) -> Iterator[None]:
    """A directory of someone else's that waits for root to come by."""
    machine.put({f"{EVIL}/{name}": text.encode() for name, text in FILES.items()})
    script = f"#!/bin/sh\ntouch {OWNED}\n".encode()
    machine.put({f"{EVIL}/bin/{name}": script for name in PROGRAMS}, mode=0o755)
    yield
    machine.run(f"rm -rf {EVIL} {OWNED}").ok()


def assert_ours(machine: Machine, command: str, **environment: str) -> None:
    """The highstate is the checkout's, which has nothing to change, and nothing else was run."""
    states = json.loads(machine.run(command, **environment).ok().stdout)["local"]
    assert machine.run(f"test -e {OWNED}").code == 1, "what lies there was run as root"
    assert "services-settled" in {state["__id__"] for state in states.values()}
    assert not [state for state in states.values() if state["changes"]]


def test_the_attack_is_one(machine: Machine, evil: None) -> None:
    """Salt itself believes that Saltfile: what the other tests show is the wrapper's doing."""
    machine.run(f"cd {EVIL} && /opt/phagescan-salt/bin/{PREVIEW}")
    machine.run(f"rm {OWNED}").ok()


def test_from_a_directory(machine: Machine, evil: None) -> None:
    """A Saltfile in the current directory is not read, nor is a module imported from there."""
    assert_ours(machine, f"cd {EVIL} && {PREVIEW}")


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_by_the_environment(machine: Machine, evil: None, name: str) -> None:
    """No variable says which configuration is read, or where Python looks first."""
    assert_ours(machine, f"cd /root && {PREVIEW}", **{name: ENVIRONMENTS[name]})


def test_by_the_path(machine: Machine, evil: None) -> None:
    """Programs are not those that come first in the caller's PATH."""
    assert_ours(machine, f"cd /root && {PREVIEW}", PATH=f"{EVIL}/bin:/usr/local/bin:/usr/bin:/bin")


def test_user(machine: Machine) -> None:
    """A user who is not root is sent to root."""
    refused = machine.run("salt-call --local test.ping", user="nobody")
    assert (refused.code, refused.stdout) == (1, "")
    assert refused.stderr == "salt-call: run this as root, for example with sudo\n"


def test_checkout_that_is_gone(machine: Machine) -> None:
    """It is named, with what to do, which helps."""
    machine.run(f"mv {CHECKOUT} {CHECKOUT}.moved").ok()
    try:
        refused = machine.run("salt-call --local test.ping")
    finally:
        machine.run(f"mv {CHECKOUT}.moved {CHECKOUT}").ok()
    assert refused.code == 1
    assert (
        refused.stderr
        == f"salt-call: the checkout {CHECKOUT} is gone: where it is now, or in a new clone, run ./bootstrap\n"
    )
    machine.run("salt-call --local test.ping").ok()


def test_from_nowhere(machine: Machine) -> None:
    """A current directory that was removed does not matter."""
    assert_ours(machine, f"mkdir /root/gone && cd /root/gone && rmdir /root/gone && {PREVIEW}")


def test_bootstrap(machine: Machine, evil: None) -> None:
    """./bootstrap imports nothing from where it is called, whether it finds Salt or is to install it."""
    machine.run(f"cd {EVIL} && {CHECKOUT}/bootstrap test=True", CDPATH=EVIL).ok()
    assert machine.run(f"test -e {OWNED}").code == 1, "what lies there was run as root"
