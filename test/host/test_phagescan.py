"""The application on its host."""

import json
import re

import pytest
import requests
from testinfra.host import Host

from support.machine import CHECKOUT, CREDENTIALS, Machine
from support.waiting import wait_until
from tree import ROOT

PLACES = {
    "/opt/phagescan": "root:root 755",
    "/opt/phagescan/manage.py": None,
    "/opt/phagescan-venv": "root:root 755",
    "/etc/phagescan": None,
    "/etc/phagescan/master.toml": "root:avuser 640",
    "/etc/phagescan/worker.toml": "root:avscan 640",
    "/etc/phagescan/yara.d": "root:root 755",
    "/etc/phagescan/version": "root:root 644",
    "/var/lib/phagescan": None,
    "/var/lib/phagescan/static": "root:root 755",
    "/var/lib/phagescan/samples": "avuser:avuser 700",
    "/var/lib/phagescan/samples/incoming": "avuser:avuser 700",
    "/var/log/phagescan": "avuser:adm 750",
    "/var/log/phagescan-worker": "avscan:adm 750",
}
VERSION = (ROOT / "VERSION").read_text().strip()
RECORD = "/etc/phagescan/version"
ROTATION = "/etc/logrotate.d/phagescan"
INSTALLED = """
import importlib.metadata, json
names = {d.name.lower().replace("_", "-").replace(".", "-"): d.version
         for d in importlib.metadata.distributions()}
print(json.dumps(names))
"""


def test_user(host: Host) -> None:
    """A user of its own that no one logs in as with a password."""
    user = host.user("avuser")
    assert user.exists
    assert user.home == "/opt/phagescan"
    assert user.uid != 0
    assert user.password in ("!", "*", "!*", "!!")


@pytest.mark.parametrize("path", PLACES)
def test_place(machine: Machine, path: str) -> None:
    """Owner and mode are as they should be."""
    found = machine.run(f"stat -c '%U:%G %a' {path}").ok().stdout.strip()
    if PLACES[path]:
        assert found == PLACES[path]
    else:
        assert found.startswith("root:")
        assert found[-1] in "0145"


def test_secrets_are_private(machine: Machine) -> None:
    """Only root reads the credentials; a stranger reads no setting."""
    assert machine.run(f"stat -c '%U:%G %a' {CREDENTIALS}").ok().stdout.strip() == "root:root 600"
    for path in ("/etc/phagescan/master.toml", "/etc/phagescan/worker.toml", CREDENTIALS):
        assert machine.run(f"cat {path}", user="nobody").code != 0


def test_worker_settings_hold_no_master_secret(machine: Machine) -> None:
    """The workers' settings are the workers' login and nothing else."""
    text = machine.read("/etc/phagescan/worker.toml")
    assert machine.secrets["worker"] in text
    assert not [name for name, secret in machine.secrets.items() if name != "worker" and secret in text]


def test_virtualenv_equals_lock(machine: Machine) -> None:
    """The virtualenv holds what the lock lists, version by version, and pip besides."""
    lock = machine.read(f"{CHECKOUT}/roots/phagescan/requirements.txt")
    python = tuple(map(int, machine.run("python3 -c 'import sys; print(*sys.version_info[:2])'").stdout.split()))
    wanted = {}
    for name, version, marker in re.findall(r"(?m)^([\w.-]+)(?:\[[^]]*\])?==([^\s;]+)(?: *; *([^\\\n]*))?", lock):
        if "win32" in marker or (
            (before := re.search(r"python_\w*version < '(\d+)\.(\d+)", marker))
            and python
            >= (
                int(before[1]),
                int(before[2]),
            )
        ):
            continue
        wanted[name.lower().replace("_", "-").replace(".", "-")] = version
    machine.put({"/root/installed.py": INSTALLED.encode()})
    installed = json.loads(machine.run("/opt/phagescan-venv/bin/python /root/installed.py").ok().stdout)
    for name in ("pip", "setuptools"):
        if name not in wanted:
            installed.pop(name, None)
    assert installed == wanted


def test_login_path(machine: Machine) -> None:
    """A login of avuser lands in the project root with the virtualenv's commands."""
    assert machine.run("su - avuser -c pwd").ok().stdout.strip() == "/opt/phagescan"
    assert "no issues" in machine.run("su - avuser -c 'python manage.py check'").ok().stdout
    assert machine.run("su - avuser -c 'command -v celeryd'").ok().stdout.strip() == "/opt/phagescan-venv/bin/celeryd"


def test_database_is_migrated(machine: Machine) -> None:
    """Every migration is in the database."""
    assert "[ ]" not in machine.run("su - avuser -c 'python manage.py showmigrations'").ok().stdout
    machine.run("su - avuser -c 'python manage.py makemigrations --check --dry-run'").ok()


def test_logs_are_rotated(machine: Machine) -> None:
    """Rotation leaves an old log, a new one, and services that write into the new one."""
    assert machine.run(f"stat -c '%U:%G %a' {ROTATION}").ok().stdout.strip() == "root:root 644"
    before = machine.run("stat -c %i /var/log/phagescan/gunicorn-error.log").ok().stdout
    machine.run(f"logrotate --force {ROTATION}").ok()
    wait_until(
        lambda: (
            machine.run("stat -c %i /var/log/phagescan/gunicorn-error.log").stdout not in ("", before)
            or machine.run("stat -c %s /var/log/phagescan/gunicorn-error.log").stdout.strip() == "0"
        ),
        "a new log is there",
    )
    # Django logs a page that is not there.
    requests.get(f"http://{machine.address}/login/nowhere", timeout=30)
    wait_until(
        lambda: machine.run("grep -c /login/nowhere /var/log/phagescan/gunicorn-error.log").code == 0,
        "the new log is written to",
    )
    assert machine.run("ls /var/log/phagescan/gunicorn-error.log.1*").code == 0


def test_canary_works(machine: Machine) -> None:
    """The canary flies through broker, master, results and database, and the camera has seen it: one line tells."""
    result = machine.canary().ok()
    text = result.stdout.strip()
    for hop in ("broker", "master", "results", "database", "camera"):
        assert hop in text


def test_canary_names_the_broken_hop(machine: Machine) -> None:
    """With the result collector down the canary fails and says so."""
    machine.service("celeryd-result", "stop").ok()
    try:
        broken = machine.run("su - avuser -c 'python manage.py canary --timeout 5 --json'")
        assert broken.code == 1
        assert json.loads(broken.stdout)["broken"] == "results"
    finally:
        machine.service("celeryd-result", "start").ok()
    machine.canary().ok()


def test_stranger_runs_no_canary(machine: Machine) -> None:
    """Somebody without the settings cannot speak for the application."""
    refused = machine.run("cd /opt/phagescan && /opt/phagescan-venv/bin/python manage.py canary", user="nobody")
    assert refused.code != 0


def version(machine: Machine) -> dict[str, str]:
    """What it says of tree and host."""
    return json.loads(machine.run("salt-call --local phagescan.version --out=json").ok().stdout)["local"]


def test_version(machine: Machine) -> None:
    """The host is what the tree is, a line each; where there is a clone its commit is seen, without git."""
    assert version(machine) == {"tree": VERSION, "host": VERSION}
    assert machine.run("salt-call --local phagescan.version").ok().stdout == f"tree  {VERSION}\nhost  {VERSION}\n"
    machine.run("! command -v git").ok()
    commit, git = "5c1c" * 10, f"{CHECKOUT}/.git"
    machine.put({f"{git}/HEAD": b"ref: refs/heads/main\n", f"{git}/refs/heads/main": f"{commit}\n".encode()})
    assert version(machine) == {"tree": VERSION, "revision": commit, "host": VERSION}
    machine.run(f"rm -r {git}").ok()


def test_version_of_a_host_before(machine: Machine) -> None:
    """A host without a record was converged before there was one; without settings it never was. A highstate records
    it.
    """
    machine.run(f"mv {RECORD} /root/version").ok()
    assert version(machine)["host"].startswith("1.0 or older")
    machine.run("mkdir /root/settings && mv /etc/phagescan/*.toml /root/settings/").ok()
    assert version(machine)["host"] == "not converged yet"
    machine.run("mv /root/settings/*.toml /etc/phagescan/ && rmdir /root/settings").ok()
    (foreseen,) = machine.highstate("test=True").ok().changed
    (change,) = machine.highstate().ok().changed
    assert change.identifier == foreseen.identifier == "phagescan-version"
    assert change.changes == foreseen.changes == {"version": {"old": "", "new": VERSION}}
    assert machine.read(RECORD) == f"{VERSION}\n"
    machine.highstate().clean()


def test_version_of_a_failed_run(machine: Machine) -> None:
    """A run in which a state failed, and one SLS alone, leave what was recorded."""
    machine.run(f"echo 0.9 >{RECORD}; mv {ROTATION} /root/rotation && mkdir {ROTATION}").ok()
    try:
        failed = machine.highstate()
        assert failed.ran.code != 0
        assert [change.name for change in failed.failed] == [ROTATION]
        assert version(machine) == {"tree": VERSION, "host": "0.9"}
    finally:
        machine.run(f"rmdir {ROTATION} && mv /root/rotation {ROTATION}").ok()
    machine.run("salt-call --local state.apply master").ok()
    assert version(machine)["host"] == "0.9"
    (change,) = machine.highstate().ok().changed
    assert change.changes == {"version": {"old": "0.9", "new": VERSION}}
