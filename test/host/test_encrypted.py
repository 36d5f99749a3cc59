"""Credentials may be encrypted with GPG, as the README says; without key or gpg the run stops and says what is
missing.
"""

import json
import re
import shlex
import textwrap
from collections.abc import Iterator

import pytest
import yaml

from support.leaks import Plant
from support.machine import CHECKOUT, CREDENTIALS, Machine
from support.refusal import assert_stopped

pytestmark = [pytest.mark.clone("rotate"), pytest.mark.once]

KEYS = "/etc/salt/gpgkeys"
NO_KEY = f"'credentials' failed: gpg cannot decrypt it: No secret key; its key belongs into {KEYS}"
PURGE = "DEBIAN_FRONTEND=noninteractive apt-get -qq purge --yes --autoremove gnupg"
NO_GPG = "'credentials' failed: it is encrypted, and there is no gpg; apt-get install gnupg"


@pytest.fixture(scope="module")
def plain(machine: Machine) -> Iterator[str]:
    """The credentials as they were, and are again."""
    text = machine.read(CREDENTIALS)
    yield text
    machine.put({CREDENTIALS: text.encode()}, mode=0o600)
    machine.run(f"rm -rf {KEYS} && rmdir --ignore-fail-on-non-empty /etc/salt").ok()
    machine.run(PURGE).ok()
    machine.highstate().clean()


@pytest.fixture(scope="module")
def encrypted(machine: Machine, plain: str) -> str:
    """The credentials as docs/operate.rst has them encrypted."""
    recipe = re.search(
        r"\nEncrypt the credentials\n.*?::\n\n(.*?)\n\n", machine.read(f"{CHECKOUT}/docs/operate.rst"), re.DOTALL
    )
    assert recipe
    machine.run(f"cd {CHECKOUT} && sh -ec {shlex.quote(textwrap.dedent(recipe[1]))}").ok()
    text = machine.read(CREDENTIALS)
    assert "-----BEGIN PGP MESSAGE-----" in text
    assert plain.splitlines()[-1] not in text
    return text


def test_recipe(machine: Machine, plain: str, encrypted: str) -> None:
    """The host is as it should be, although everybody may read the file, and no run tells what it holds."""
    assert machine.run(f"stat -c %a {CREDENTIALS} {KEYS}").stdout.split() == ["644", "700"]
    machine.run("salt-call --local phagescan.doctor").ok()
    machine.highstate().clean()
    arrival = machine.run("salt-call --local --out=json phagescan.arrival canary=False knock=False").ok().stdout
    (command,) = re.findall(r"Password: +(.+)", json.loads(arrival)["local"])
    assert yaml.safe_load(plain)["phagescan"]["admin"]["password"] in machine.run(command).ok().stdout


def test_tells_nothing(machine: Machine, plain: str, encrypted: str) -> None:
    """Nor does it at the lowest level of Salt's log; what was decrypted is no argument."""
    machine.put({CREDENTIALS: plain.encode()}, mode=0o600)
    plant = Plant(machine)
    machine.put({CREDENTIALS: encrypted.encode()})
    plant.watch("salt-call --local state.highstate -l all").ok()
    plant.leave()


@pytest.fixture
def keyless(machine: Machine, encrypted: str) -> Iterator[None]:
    """A host without the key."""
    machine.run(f"mv {KEYS} /root/keys").ok()
    yield
    machine.run(f"mv /root/keys {KEYS}").ok()


@pytest.mark.usefixtures("keyless", "drifted")
@pytest.mark.parametrize("arguments", ["", "test=True"])
def test_key_is_gone(machine: Machine, arguments: str) -> None:
    """Without the key the run stops, in a preview as well, and says where the key belongs; so does the doctor."""
    assert_stopped(machine, arguments, NO_KEY)
    reported = machine.run("salt-call --local phagescan.doctor")
    assert reported.code != 0
    assert NO_KEY in reported.stderr


@pytest.mark.usefixtures("encrypted", "drifted")
def test_gpg_is_gone(machine: Machine) -> None:
    """Without gpg the run stops and names the package."""
    machine.run("mv /usr/bin/gpg /root/gpg").ok()
    try:
        assert_stopped(machine, "", NO_GPG)
    finally:
        machine.run("mv /root/gpg /usr/bin/gpg").ok()


def test_bootstrap(machine: Machine, encrypted: str) -> None:
    """It installs gpg for encrypted credentials, and leaves them as they are."""
    machine.run(PURGE).ok()
    machine.bootstrap().ok()
    assert machine.read(CREDENTIALS) == encrypted


@pytest.mark.usefixtures("encrypted")
def test_single_value(machine: Machine, plain: str) -> None:
    """One value may be encrypted among others that are not; then the file is its owner's alone."""
    credentials = yaml.safe_load(plain)
    machine.put({"/root/value": credentials["phagescan"]["secret_key"].encode()}, mode=0o600)
    made = machine.run(
        f"gpg --homedir {KEYS} --armor --recipient phagescan --encrypt --output - /root/value; rm /root/value"
    ).ok()
    credentials["phagescan"]["secret_key"] = made.stdout
    machine.put({CREDENTIALS: f"#!yaml|gpg\n{yaml.safe_dump(credentials)}".encode()})
    reported = machine.run("salt-call --local phagescan.doctor")
    assert reported.code != 0
    assert f"chmod go= {CREDENTIALS}" in reported.stderr
    machine.run(f"chmod go= {CREDENTIALS}").ok()
    machine.highstate().clean()
