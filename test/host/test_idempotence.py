"""What is right stays as it is, and a preview tells the truth."""

import re

import pytest

from support.converged import FirstRun
from support.machine import Machine

pytestmark = pytest.mark.hosts("debian13", "debian12", "debian13-plain", "coexist")


def real_changes(first_run: FirstRun) -> set[str]:
    """The states that the first real run said it changed."""
    return set(re.findall(r"(?m)^ +ID: (.+)$", first_run.bootstrap.stdout))


def test_preview_succeeds(first_run: FirstRun) -> None:
    """On a bare host, with Salt and nothing else, a preview fails nowhere."""
    first_run.preview.ok()


def test_preview_writes_nothing(first_run: FirstRun) -> None:
    """It installs Salt, and makes no file of pillar: what the real run will make counts all the same."""
    assert first_run.written == ""


def test_preview_lists_what_is_done(first_run: FirstRun) -> None:
    """What the preview of the bare host lists is what the real run then changed, or what came with the packages."""
    foreseen = {change.identifier: change.function for change in first_run.preview.changed}
    done = real_changes(first_run)
    assert done or not first_run.bare
    assert done - foreseen.keys() == set(), "changed without having been foreseen"
    # One apt transaction is named once; packages start their services themselves, and supervisord its programs.
    follows = ("packages.installed", "daemon.running", "supervisor_program.running")
    packaged = {identifier for identifier, function in foreseen.items() if function in follows}
    assert foreseen.keys() - done - packaged == set(), "foreseen, but not changed"


def test_second_run_changes_nothing(first_run: FirstRun) -> None:
    """A second highstate has nothing to do, and nothing to warn of."""
    assert first_run.second.clean().ran.stderr == ""


def test_from_any_directory(machine: Machine) -> None:
    """It works outside the checkout as well."""
    machine.highstate(directory="/").clean()


def test_second_bootstrap_changes_nothing(machine: Machine) -> None:
    """Bootstrap is safe to run again, and keeps the credentials it made."""
    before = machine.secrets
    installed = machine.run("stat -c %Y /opt/phagescan-salt/bin/python /opt/phagescan-salt/installed").stdout
    again = machine.bootstrap().ok()
    assert ": nothing changed" in again.stdout
    assert machine.secrets == before
    assert machine.run("stat -c %Y /opt/phagescan-salt/bin/python /opt/phagescan-salt/installed").stdout == installed


def test_bootstrap_says_where_to_go(machine: Machine, first_run: FirstRun) -> None:
    """It ends with the address, the administrator and the command that prints the password, and does not show it."""
    text = str(first_run.bootstrap)
    last = text[-1500:]
    assert re.search(r"(?m)^Phagescan Master: https?://[0-9.]+/$", last)
    assert "admin" in last
    assert "pillar/credentials.sls" in last
    assert not [name for name, secret in machine.secrets.items() if secret in text]
    (command,) = re.findall(r"(?m)^Password: +(.+)$", last)
    assert machine.secrets["admin"] in machine.run(command).ok().stdout


def test_canary(machine: Machine) -> None:
    """It all still works."""
    machine.canary().ok()
