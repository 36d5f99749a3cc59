"""./bootstrap as it is called in earnest: by a link, from a second checkout, in an odd environment, on odd systems."""

import json
import re
from collections.abc import Iterator

import pytest

from support.machine import CHECKOUT, CREDENTIALS, Machine
from support.terminal import Terminal

pytestmark = [pytest.mark.clone("refuse"), pytest.mark.once]

WRAPPER, SALT, SECOND = "/usr/local/bin/salt-call", "/opt/phagescan-salt", "/srv/second"
# A system that is shown to one command alone, in place of its own files.
SHOWN = "unshare --mount sh -c 'mount --bind {mine} {theirs} && cd " + CHECKOUT + " && ./bootstrap {arguments}'"


@pytest.fixture
def second(machine: Machine) -> Iterator[str]:
    """Another checkout on the host, as git would clone it."""
    machine.run(f"cp -a {CHECKOUT} {SECOND} && rm {SECOND}/pillar/*.sls.sample {SECOND}/pillar/credentials.sls").ok()
    yield SECOND
    machine.run(f"rm -rf {SECOND}").ok()


def state(machine: Machine) -> str:
    """What a refused run leaves as it was."""
    return machine.run(f"cat {WRAPPER} && readlink {SALT} && sha256sum {CREDENTIALS} && ls {SALT}.*").ok().stdout


@pytest.mark.parametrize("arguments", ["", "test=True", "test=1"])
def test_second_checkout(machine: Machine, second: str, arguments: str) -> None:
    """It is refused, a preview too, and the host's own is named; no credentials are made."""
    before = state(machine)
    refused = machine.run(f"cd {second} && ./bootstrap {arguments}")
    assert refused.code == 1
    assert refused.stderr == (
        f"bootstrap: this host belongs to {CHECKOUT}: run ./bootstrap there, or ./bootstrap --adopt here\n"
    )
    assert machine.run(f"ls {second}/pillar/credentials.sls").code
    assert state(machine) == before


def test_adopt(machine: Machine, second: str) -> None:
    """Another one takes the host over, with its credentials: nothing changes but where the tree is."""
    passwords = machine.secrets
    try:
        adopted = machine.run(f"cd {second} && ./bootstrap --adopt").ok()
        assert ": nothing changed" in adopted.stdout
        assert f"cd {second}/pillar" not in adopted.stdout
        assert machine.run(f"cmp {second}/pillar/credentials.sls {CREDENTIALS}").code == 0
        assert f'"{second}"' in machine.read(WRAPPER)
        back = machine.run(f"cd {CHECKOUT} && ./bootstrap").stderr
        assert back.startswith(f"bootstrap: this host belongs to {second}: ")
    finally:
        machine.run(f"rm -rf {second} && cd {CHECKOUT} && ./bootstrap test=True").ok()
    assert machine.secrets == passwords


def test_moved(machine: Machine) -> None:
    """A checkout that was moved is the host's again after ./bootstrap there, and no password has changed."""
    moved = f"{CHECKOUT}.moved"
    machine.run(f"mv {CHECKOUT} {moved}").ok()
    try:
        assert "is gone: where it is now" in machine.run("salt-call --local test.ping").stderr
        machine.run(f"cd {moved} && ./bootstrap test=True").ok()
        machine.run("salt-call --local test.ping").ok()
    finally:
        machine.run(f"mv {moved} {CHECKOUT} && cd {CHECKOUT} && ./bootstrap test=True").ok()


def test_without_credentials(machine: Machine) -> None:
    """A host that has passwords does not get new ones because their file is missing."""
    machine.run(f"mv {CREDENTIALS} {CREDENTIALS}.kept").ok()
    try:
        for arguments in ("", "test=True"):
            refused = machine.run(f"cd {CHECKOUT} && ./bootstrap {arguments}")
            assert refused.code == 1
            assert f"this host has passwords, and {CREDENTIALS} is missing: bring it" in refused.stderr
        assert machine.run(f"test -e {CREDENTIALS}").code
    finally:
        machine.run(f"mv {CREDENTIALS}.kept {CREDENTIALS}").ok()


def test_python_changed(machine: Machine) -> None:
    """Salt of a Python that is gone says what to do."""
    lib = f"{SALT}/lib"
    machine.run(f"mv {lib}/python3.13 {lib}/python3.11").ok()
    try:
        refused = machine.run("salt-call --local phagescan.doctor")
    finally:
        machine.run(f"mv {lib}/python3.11 {lib}/python3.13").ok()
    assert (refused.code, refused.stderr) == (1, f"salt-call: Python has changed: run {CHECKOUT}/bootstrap\n")


@pytest.mark.day
def test_another_python(machine: Machine) -> None:
    """./bootstrap brings Salt and the application to it; what worked is there until the new one is whole."""
    old = machine.run(f"readlink {SALT}").ok().stdout.strip()
    move = f"for lib in {old} /opt/phagescan-venv; do mv $lib/lib/python3.13 $lib/lib/python3.11; done"
    machine.run(
        f"{move}; mv /etc/pip.conf /root/pip.conf; printf '[global]\\nindex-url = http://127.0.0.1:9/' >/etc/pip.conf"
    )
    try:
        failed = machine.run(f"cd {CHECKOUT} && ./bootstrap")
        assert failed.code == 1
        assert "pip could not install" in failed.stderr
        assert machine.run(f"readlink {SALT}; ls -d {SALT}.*").stdout.split() == [old, old]
    finally:
        machine.run("rm /etc/pip.conf; mv /root/pip.conf /etc/pip.conf")
    # What else the host says of Python and pip does not matter either.
    evil = {"/root/evil/yaml.py": b"raise SystemExit('evil')\n", "/root/evil/pip.conf": b"[install]\nuser = true\n"}
    machine.put(evil)
    machine.put({"/usr/local/bin/python3": b"#!/bin/sh\nexit 127\n"}, mode=0o755)
    machine.run("mkdir -p /root/.config/pip && cp /root/evil/pip.conf /root/.config/pip/").ok()
    try:
        environment = {
            "PYTHONPATH": "/root/evil",
            "PYTHONHOME": "/root/evil",
            "PIP_USER": "1",
            "PIP_TARGET": "/root/evil",
        }
        machine.run(f"cd {CHECKOUT} && ./bootstrap", **environment).ok()
    finally:
        machine.run("rm -r /usr/local/bin/python3 /root/evil /root/.config/pip").ok()
    assert machine.run(f"ls -d {SALT}.*").stdout.split() == [machine.run(f"readlink {SALT}").stdout.strip()] != [old]
    machine.highstate().clean()
    machine.canary().ok()


def test_link_and_bare_environment(machine: Machine) -> None:
    """By a link in PATH, and with no environment at all, it previews as ever."""
    machine.run(f"ln -s {CHECKOUT}/bootstrap /usr/local/sbin/pb").ok()
    try:
        for command in ("pb test=yes", "env -i /usr/local/sbin/pb --dry-run"):
            ran = machine.run(f"cd / && {command}").ok()
            assert "canary" not in ran.stdout
            assert "Failed:" not in ran.stdout
            assert re.search(r"\d+ states in .* s: ", ran.stdout)
    finally:
        machine.run("rm /usr/local/sbin/pb").ok()


@pytest.mark.parametrize(
    ("theirs", "content", "reported"),
    [
        ("/etc/os-release", 'ID=ubuntu\nVERSION_ID="24.04"\nPRETTY_NAME="Ubuntu 24.04 LTS"\n', "Ubuntu 24.04 LTS"),
        ("/usr/bin/dpkg", "#!/bin/sh\necho arm64\n", "arm64"),
    ],
)
def test_untested(machine: Machine, theirs: str, content: str, reported: str) -> None:
    """What no test has seen is refused, unless one says so."""
    machine.put({"/root/mine": content.encode()}, mode=0o755)
    refused = machine.run(SHOWN.format(mine="/root/mine", theirs=theirs, arguments="test=True"))
    assert refused.code == 1
    assert refused.stderr == (
        f"bootstrap: no test has seen this on {reported}: ./bootstrap --untested goes on all the same\n"
    )
    if "ubuntu" in content:
        gone_on = machine.run(SHOWN.format(mine="/root/mine", theirs=theirs, arguments="--untested test=True"))
        assert f"bootstrap: no test has seen this on {reported}\n" in gone_on.stdout


def test_another_systems(machine: Machine) -> None:
    """A system of another kind is refused whatever one says."""
    machine.put({"/root/mine": b'ID=fedora\nVERSION_ID=43\nPRETTY_NAME="Fedora 43"\n'})
    refused = machine.run(SHOWN.format(mine="/root/mine", theirs="/etc/os-release", arguments="--untested"))
    assert (refused.code, refused.stderr) == (
        1,
        "bootstrap: Fedora 43 is not supported: Debian 12 or 13 is needed\n",
    )


def test_mistyped_preview(machine: Machine) -> None:
    """salt-call refuses what Salt would ignore, and does nothing."""
    refused = machine.run("salt-call --local state.highstate tset=True")
    assert refused.code
    assert "tset is not an argument; a preview is test=True" in f"{refused.stdout}{refused.stderr}"


def test_on_a_terminal(machine: Machine) -> None:
    """A terminal shows which state of how many it is at, and then what there is to know in a few lines."""
    with Terminal(machine, directory=CHECKOUT) as terminal:
        terminal.type("./bootstrap test=True")
        seen = terminal.expect("ready> ", 300)
    assert re.search(r"\[\d+/\d+\] ", seen)
    assert seen.rpartition("\x1b[K")[2].count("\n") < 5
    assert ": nothing changed" in seen


def test_printed_address(machine: Machine) -> None:
    """What is printed is asked: port and name that are configured are in it, and another's page is a failure."""
    arrival = "salt-call --local --out=json phagescan.arrival canary=False"
    assert f"http://{machine.address}/" in json.loads(machine.run(arrival).ok().stdout)["local"]
    site = b'server { listen 80 default_server; return 200 "another"; }\n'
    machine.put({"/etc/nginx/sites-enabled/another": site})
    machine.run("service nginx reload").ok()
    try:
        failed = machine.run(arrival)
        assert failed.code
        assert "shows another page" in failed.stderr
        assert "server_name" in failed.stderr
    finally:
        machine.run("rm /etc/nginx/sites-enabled/another && service nginx reload").ok()
