"""The Celery workers: the master's three, and the scan worker."""

import json

import pytest
from testinfra.host import Host

from support.machine import Machine
from support.scanning import kill
from support.waiting import wait_until

SERVICES = {
    "celeryd-master": ("master.master", "masterceleryconfig"),
    "celeryd-result": ("master.results", "resultsceleryconfig"),
    "celeryd-periodic": ("master.periodic", "periodicceleryconfig"),
    "celeryd": ("scan@%h", "workerceleryconfig"),
}
services = pytest.mark.parametrize("service", SERVICES)
PICKLE = """
import tomllib
from kombu import Connection
broker = tomllib.load(open("/etc/phagescan/master.toml", "rb"))["broker"]
with Connection(hostname=broker["host"], port=broker["port"], userid=broker["user"], password=broker["password"],
                virtual_host=broker["vhost"]) as connection:
    for queue in %r:
        connection.Producer().publish({"x": 1}, routing_key=queue, serializer="pickle")
"""


def place(service: str) -> tuple[str, str]:
    """User and log directory of a service."""
    return ("avscan", "/var/log/phagescan-worker") if service == "celeryd" else ("avuser", "/var/log/phagescan")


def nodes(machine: Machine) -> list[str]:
    """The nodes that answer a ping."""
    answer = machine.run(
        "su - avuser -c 'DJANGO_SETTINGS_MODULE=scaggr.settings celery -A scaggr inspect ping --timeout 5'"
    ).stdout
    return sorted(line.split()[1].rstrip(":") for line in answer.splitlines() if line.startswith("->"))


@services
def test_config(machine: Machine, service: str) -> None:
    """Its unit or init script is root's, and its configuration module lies in the project root."""
    if machine.spec.systemd:
        files = {f"/etc/systemd/system/{service}.service": "644"}
    else:
        files = {f"/etc/init.d/{service}": "755", f"/etc/default/{service}": "644"}
    for path, mode in files.items():
        assert machine.run(f"stat -c '%U:%G %a' {path}").ok().stdout.strip() == f"root:root {mode}"
    assert machine.run(f"stat -c %U /opt/phagescan/{SERVICES[service][1]}.py").ok().stdout.strip() == "root"


@services
def test_service(machine: Machine, service: str) -> None:
    """It runs, and starts on boot."""
    assert machine.is_running(service)
    assert machine.is_enabled(service)


@services
def test_process(host: Host, service: str) -> None:
    """It runs as its user, with the manual's configuration and node name."""
    node, module = SERVICES[service]
    processes = [p for p in host.process.filter() if f"--config={module}" in p.args and f"--hostname={node}" in p.args]
    assert processes
    assert {process.user for process in processes} == {place(service)[0]}


@services
def test_log(machine: Machine, host: Host, service: str) -> None:
    """It writes its log, which others cannot read."""
    user, folder = place(service)
    log = host.file(f"{folder}/{service}.log")
    assert log.user == user
    assert log.size > 0
    assert machine.run(f"cat {log.path}", user="nobody").code != 0


@services
def test_restarts_truthfully(machine: Machine, service: str) -> None:
    """Stop, status, start and restart do and say what they should."""
    machine.service(service, "stop").ok()
    assert machine.service(service, "status").code == 3
    machine.service(service, "stop").ok()
    machine.service(service, "start").ok()
    machine.service(service, "start").ok()
    assert machine.service(service, "status").code == 0
    machine.service(service, "restart").ok()
    assert machine.service(service, "status").code == 0


@pytest.mark.once
@services
def test_comes_back(machine: Machine, service: str) -> None:
    """It is started again when it was killed."""
    kill(machine, service, f"/run/{service}/{service}.pid")


def test_nodes_answer(machine: Machine) -> None:
    """All nodes are on the broker."""
    wanted = sorted(node.replace("%h", machine.kind) for node, _ in SERVICES.values())
    wait_until(lambda: nodes(machine) == wanted, "all nodes answer", 30)


def test_starts_while_the_broker_is_away(machine: Machine) -> None:
    """A worker whose broker cannot be reached is started all the same, and works when the broker is back."""
    machine.service("rabbitmq-server", "stop").ok()
    try:
        machine.service("celeryd", "restart").ok()
        assert machine.service("celeryd", "status").code == 0
    finally:
        machine.service("rabbitmq-server", "start").ok()
    wanted = sorted(node.replace("%h", machine.kind) for node, _ in SERVICES.values())
    wait_until(lambda: nodes(machine) == wanted, "all nodes answer again", 90)


def test_one_beat(host: Host) -> None:
    """One process sends periodic tasks, and only one."""
    beats = {p.args for p in host.process.filter() if "celeryd" in p.args and (" -B " in p.args or " --beat" in p.args)}
    assert len(beats) == 1
    assert "periodicceleryconfig" in beats.pop()


def test_pickle_is_refused(machine: Machine) -> None:
    """A message that could run code is not even opened."""
    queues = machine.run("rabbitmqctl -q --formatter json -p phage list_queues name").ok().stdout
    wait_until(lambda: len(nodes(machine)) == len(SERVICES), "all nodes answer", 30)
    names = [q["name"] for q in json.loads(queues) if not ("pidbox" in q["name"] or "celeryev" in q["name"])]
    assert names
    machine.put({"/root/pickle.py.txt": (PICKLE % names).encode()})
    machine.run("/opt/phagescan-venv/bin/python /root/pickle.py.txt").ok()
    wait_until(
        lambda: (
            machine.run(
                "grep -hiE 'ContentDisallowed|disabled content-type|untrusted' /var/log/phagescan*/*.log"
            ).stdout
        ),
        "the worker's log tells of the refusal",
    )
    assert all(machine.is_running(service) for service in SERVICES)
