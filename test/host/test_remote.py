"""Roles on hosts of their own: a master that does not scan, and a worker that has nothing of the master."""

import json
import re
import socket
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest
import requests

from support.logins import query, sign_in
from support.machine import CHECKOUT, CREDENTIALS, Machine
from support.scanning import EICAR, TEXT, Api
from support.waiting import wait_until

pytestmark = [pytest.mark.clone("remote"), pytest.mark.hosts("debian12", only=True)]

ENGINES = {("yara", "scan@worker"), ("fileinfo", "scan@worker")}
CA = "/etc/ssl/phagescan-master.pem"


@pytest.fixture(scope="module")
def worker(machine: Machine) -> Iterator[Machine]:
    """A fresh host that becomes a worker of this master, with no password but the worker's."""
    machine.highstate(master(machine)).ok()
    worker = Machine("worker", machine.run_label, f"{machine.kind}-worker")
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


def live(api: Api) -> set[tuple[str, str]]:
    """Which engines the master knows of, and whose they are."""
    status = api.session.get(f"{api.url}/status", timeout=60).json()
    return {(engine["name"], engine["worker"]) for engine in status["engines"] if engine["live"]}


def fall_silent(machine: Machine) -> None:
    """Let the time pass after which a worker that announces nothing counts as gone."""
    query(machine, "update scaggr_engine set announced_at = announced_at - interval '45 seconds'")


def master(machine: Machine, **more: Any) -> str:
    """What makes the master one that has its workers elsewhere."""
    url = f"http{'s' if more else ''}://{machine.address}"
    phagescan = {"roles": ["master"], "allowed_hosts": ["master.example"], "worker": {"master_url": url}, **more}
    return (
        f"pillar='{json.dumps({'phagescan': phagescan, 'rabbitmq': {'listen': '0.0.0.0', 'least_privilege': True}})}'"
    )


def settings(machine: Machine, *, tls: bool = False, **more: str) -> str:
    """What makes a host a worker of this master."""
    worker = {"master_url": f"http{'s' if tls else ''}://{machine.address}", **more}
    broker = {"host": machine.address, **({"tls": True} if tls else {})}
    return f"pillar='{json.dumps({'phagescan': {'roles': ['worker'], 'broker': broker, 'worker': worker}})}'"


def test_verdicts_come_from_the_worker(machine: Machine, worker: Machine) -> None:
    """Samples that the master takes are scanned on the worker."""
    api = Api(machine)
    wait_until(lambda: live(api) == ENGINES, "the worker's engines alone are live", 600)
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
        {
            "roles": ["worker"],
            "broker": {"host": machine.address},
            "worker": {"master_url": f"http://{machine.address}"},
        }
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
    """A master that was away is served again by a worker that no one touched."""
    machine.service("rabbitmq-server", "restart").ok()
    machine.service("gunicorn", "restart").ok()
    assert Api(machine).scan(b"after the master was away")["yara"]["infected"] is False


def test_new_password(machine: Machine, worker: Machine) -> None:
    """A new password goes to the master first: the worker goes on scanning, until it has it, too; the old one is of no
    use.
    """
    old, new = machine.secrets["worker"], uuid4().hex
    for host in (machine, worker):
        host.put({CREDENTIALS: host.read(CREDENTIALS).replace(old, new).encode()}, mode=0o600)
    machine.highstate(master(machine)).ok()
    assert Api(machine).scan(b"with the old password")["yara"]["infected"] is False
    done = worker.highstate(settings(machine)).ok()
    proofs = [str(state["comment"]) for key, state in done.states.items() if key.endswith("_|-rotated")]
    assert any("the new password lets in, the old one is refused" in proof for proof in proofs), proofs
    assert Api(machine).scan(b"with the new password")["yara"]["infected"] is False
    worker.highstate(settings(machine)).clean()


@pytest.fixture(scope="module")
def secure(machine: Machine, worker: Machine) -> Iterator[Api]:
    """The same with TLS: the master has a certificate of its own, which the worker is given."""
    machine.highstate(master(machine, tls={"self_signed": True})).ok()
    certificate = machine.read("/etc/phagescan/tls/certificate.pem")
    worker.put({CA: certificate.encode()})
    worker.highstate(settings(machine, tls=True, ca_certs=CA)).ok()
    path = machine.output / "certificate.pem"
    path.write_text(certificate)
    api = Api(machine)
    api.url = api.url.replace("http:", "https:")
    api.session.trust_env, api.session.verify = False, str(path)
    yield api
    machine.run("rm -r /etc/phagescan/tls").ok()


def test_verdicts_come_over_tls(machine: Machine, worker: Machine, secure: Api) -> None:
    """The worker speaks AMQPS and HTTPS with the master, and nothing else."""
    wait_until(lambda: live(secure) == ENGINES, "the worker's engines are live", 600)
    assert secure.scan(EICAR + b"remote, over TLS")["yara"]["infected"] is True
    assert f"{worker.address}:" in machine.run("ss -Htn state established sport = :5671").ok().stdout
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((machine.address, 5672), 30)
    worker.highstate(settings(machine, tls=True, ca_certs=CA)).clean()


def test_strange_certificate_is_refused(machine: Machine, worker: Machine, secure: Api) -> None:
    """A worker that does not know who signed the master's certificate sends it no password, and says why."""
    log = "/var/log/phagescan-worker/celeryd.log"
    lines = worker.run(f"cat {log} | wc -l").ok().stdout.strip()
    worker.highstate(settings(machine, tls=True)).ok()
    wait_until(
        lambda: "certificate verify failed" in worker.run(f"tail -n +{lines} {log}").stdout,
        "the worker refuses the broker",
    )
    fall_silent(machine)
    wait_until(lambda: live(secure) == set(), "no engine is live", 600)
    worker.highstate(settings(machine, tls=True, ca_certs=CA)).ok()
    wait_until(lambda: live(secure) == ENGINES, "the worker's engines are live again", 600)
    assert secure.scan(TEXT + b"remote, over TLS")["yara"]["infected"] is False


def test_worker_that_is_gone(machine: Machine, worker: Machine, secure: Api) -> None:
    """The engines of a worker that went for good are missed, until they are deleted in the Admin UI."""
    nodes = " ".join(f"master.{name}" for name in ("master", "results", "periodic"))

    def missed() -> str:
        found = json.loads(machine.run(f"su - avuser -c 'python manage.py status {nodes}'").stdout)
        return found["engines"]["said"]

    worker.service("celeryd", "stop").ok()
    fall_silent(machine)
    assert "on scan@worker: silent for" in missed()
    session = requests.Session()
    session.trust_env, session.verify = False, secure.session.verify
    sign_in(machine, machine.secrets["admin"], "/admin/", client=session)
    url = f"https://{machine.address}/admin/scaggr/engine/"
    page = session.get(url, timeout=60).text
    form = {"action": "delete_selected", "post": "yes", "csrfmiddlewaretoken": session.cookies["csrftoken"]}
    rows = re.findall(r'name="_selected_action" value="(\d+)"', page)
    session.post(url, {**form, "_selected_action": rows}, headers={"Referer": url}, timeout=60).raise_for_status()
    assert missed() == "no worker has announced one: samples wait"
