"""Roles on hosts of their own: a master that does not scan, and a worker that has nothing of the master."""

import json
from collections.abc import Iterator

import pytest
import requests

from machine import CHECKOUT, CREDENTIALS, Machine, wait_until
from scanning import EICAR, TEXT, Api


@pytest.fixture(scope="module")
def worker(machine: Machine) -> Iterator[Machine]:
    """A fresh host that becomes a worker of this master, with no password but the worker's."""
    roles = 'phagescan: {roles: [master], allowed_hosts: [master.example], worker: {master_url: "http://%s"}}'
    listen = "rabbitmq: {listen: 0.0.0.0, least_privilege: true}"
    machine.highstate(f"pillar='{{{roles % machine.address}, {listen}}}'").ok()
    worker = Machine("worker", machine.run_label, machine.keep)
    worker.start()
    try:
        worker.put_tree()
        credentials = f"#!yaml\nrabbitmq:\n  users:\n    phageworkeruser: {{password: '{machine.secrets['worker']}'}}\n"
        worker.put({CREDENTIALS: credentials.encode()}, mode=0o600)
        worker.bootstrap(settings(machine)).ok()
        yield worker
    finally:
        worker.end()
        machine.highstate().ok()


def settings(machine: Machine) -> str:
    """What makes a host a worker of this master."""
    address = machine.address
    return f"pillar='{{phagescan: {{roles: [worker], broker: {{host: {address}}}, worker: {{master_url: \"http://{address}\"}}}}}}'"


def test_verdicts_come_from_the_worker(machine: Machine, worker: Machine) -> None:
    """Samples that the master takes are scanned on the worker."""
    api = Api(machine)

    def only_the_worker() -> bool:
        status = api.session.get(f"{api.url}/status", timeout=60).json()
        live = {(engine["name"], engine["worker"]) for engine in status["engines"] if engine["live"]}
        return live == {("yara", "scan@worker"), ("fileinfo", "scan@worker")}

    wait_until(only_the_worker, "the worker's engines alone are live", 600)
    assert api.scan(EICAR + b"remote")["yara"]["infected"] is True
    assert api.scan(TEXT + b"remote")["yara"]["infected"] is False


def test_master_is_no_worker(machine: Machine, worker: Machine) -> None:
    """The role that was taken from the master left neither its service nor its login."""
    assert not machine.is_running("celeryd")
    assert machine.run("test -e /etc/phagescan/worker.toml").code != 0
    assert not machine.run("pgrep -u avscan").stdout


def test_worker_has_nothing_of_the_master(machine: Machine, worker: Machine) -> None:
    """No password but its own, none of the master's services, no port that is open to others."""
    for name, secret in machine.secrets.items():
        if name != "worker":
            worker.put({"/pattern": secret.encode()})
            assert worker.run("grep -rslFf /pattern /etc /opt /srv /var").stdout == ""
    worker.run("rm /pattern").ok()
    for command in ("psql", "rabbitmqctl", "nginx", "supervisord"):
        assert worker.run(f"command -v {command}").code != 0
    assert worker.run("id avuser").code != 0
    with pytest.raises(requests.ConnectionError):
        requests.get(f"http://{worker.address}/", timeout=10)


def test_second_run(machine: Machine, worker: Machine) -> None:
    """A second run on the worker changes nothing."""
    worker.highstate(settings(machine)).clean()


def test_status_of_the_worker(machine: Machine, worker: Machine) -> None:
    """`phagescan.status` looks at what a worker has, with its own login, which has no more rights than it needs."""
    ours = json.dumps(
        {"roles": ["worker"], "broker": {"host": machine.address}, "worker": {"master_url": f"http://{machine.address}"}}
    )
    kept = worker.read(CREDENTIALS)
    worker.put({CREDENTIALS: f"{kept}phagescan: {ours}\n".encode()}, mode=0o600)
    ask = f"cd {CHECKOUT} && salt-call --local phagescan.status --out=json"
    parts = ["broker-worker", "scan@worker", "engines", "fetch", "disk"]

    def broken() -> list[str]:
        found = json.loads(worker.run(ask).stdout)["local"]
        assert list(found) == parts
        return [name for name, part in found.items() if part["ok"] is False]

    try:
        wait_until(lambda: not broken(), "all is well", 60)
        worker.service("celeryd", "stop").ok()
        wait_until(lambda: broken() == ["scan@worker"], "the node is named", 60)
        worker.service("celeryd", "start").ok()
        machine.service("gunicorn", "stop").ok()
        wait_until(lambda: broken() == ["fetch"], "the master is named", 60)
    finally:
        machine.service("gunicorn", "start").ok()
        worker.service("celeryd", "start").ok()
        worker.put({CREDENTIALS: kept.encode()}, mode=0o600)


def test_worker_outlives_the_master(machine: Machine, worker: Machine) -> None:
    """A master that was away is served again by a worker that nobody touched."""
    machine.service("rabbitmq-server", "restart").ok()
    machine.service("gunicorn", "restart").ok()
    assert Api(machine).scan(b"after the master was away")["yara"]["infected"] is False
