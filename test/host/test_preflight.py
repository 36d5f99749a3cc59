"""What a host lacks, or has, stops a run before anything is touched; what does not stop it is a note of the
doctor's.
"""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from support.machine import CHECKOUT, LOCAL, Machine
from support.refusal import TOUCHED, assert_stopped
from support.results import Result
from support.waiting import wait_until

pytestmark = [pytest.mark.clone("refuse"), pytest.mark.hosts("debian13", day=("debian13-plain",))]

LISTEN = "import socket, time; server = socket.create_server(('127.0.0.1', {port})); time.sleep(86400)"
OFFLINE = "/etc/apt/apt.conf.d/zz-offline"
RECORD = "/etc/phagescan.owned"
SOURCE = "/etc/apt/sources.list.d/away.list"


def doctor(machine: Machine) -> Result:
    """What the doctor says."""
    return machine.run("salt-call --local phagescan.doctor")


@pytest.fixture
def listener(machine: Machine) -> Iterator[Callable[[str, int], str]]:
    """Puts a program of somebody else on the port of a service, which is stopped, and tells its process."""
    started = []

    def listen(service: str, port: int) -> str:
        machine.service(service, "stop").ok()
        taken = f"ss -Hltn sport = :{port} | grep -q ."
        wait_until(lambda: machine.run(taken).code, f"{service} has left {port}")
        command = f'setsid python3 -c "{LISTEN.format(port=port)}" >/dev/null 2>&1 & echo $!'
        started.append(machine.run(command).ok().stdout.strip())
        wait_until(lambda: machine.run(taken).code == 0, f"something listens on {port}")
        return started[-1]

    yield listen
    machine.run(f"kill {' '.join(started)}").ok()


@pytest.mark.usefixtures("drifted")
@pytest.mark.parametrize(
    ("service", "port", "key"),
    [
        ("rabbitmq-server", 5672, "rabbitmq:port"),
        ("postgresql", 5432, "postgresql:port"),
        ("gunicorn", 9000, "gunicorn:bind"),
        ("nginx", 80, "nginx:sites:phagescan:listen"),
    ],
)
def test_port(machine: Machine, listener: Callable[[str, int], str], service: str, port: int, key: str) -> None:
    """A port that another has stops the run, which names the port, the program and its process."""
    pid = listener(service, port)
    assert_stopped(
        machine,
        "",
        f"{key}: port {port} is taken by python3 (pid {pid}); stop it, or choose another port in pillar/local.sls",
    )


def test_services_are_back(machine: Machine) -> None:
    """Once the port is free a run starts the service."""
    assert "nginx start" in machine.highstate().ok().text()
    machine.canary().ok()


@pytest.mark.once
def test_advice(machine: Machine, listener: Callable[[str, int], str]) -> None:
    """What is said of a port that is taken works: the cluster that a run has made moves to another."""
    listener("postgresql", 5432)
    assert "postgresql:port: port 5432 is taken" in doctor(machine).stderr
    machine.run(f"echo 'postgresql: {{port: 5433}}' >>{LOCAL}").ok()
    machine.highstate().ok()
    machine.canary().ok()
    machine.highstate().clean()


@pytest.mark.once
def test_port_is_moved_back(machine: Machine) -> None:
    """Once the port is free the cluster comes back to it, which runs."""
    machine.run(f"sed -i '/^postgresql:/d' {LOCAL}").ok()
    machine.highstate().ok()
    machine.canary().ok()
    machine.highstate().clean()


@pytest.mark.usefixtures("drifted")
def test_disk(machine: Machine) -> None:
    """A file system that is full stops the run, with what is needed and what there is."""
    machine.run("mount -t tmpfs -o size=10m none /tmp").ok()
    try:
        assert_stopped(machine, "", "disk: 20 MiB are needed for /tmp, and 10 MiB are free; make room")
    finally:
        machine.run("umount /tmp").ok()


@pytest.mark.usefixtures("drifted")
def test_clock(machine: Machine) -> None:
    """A clock that is days behind the checkout stops the run."""
    path = f"{CHECKOUT}/pillar/nginx.sls"
    machine.run(f"touch -d '3 days' {path}").ok()
    try:
        assert_stopped(machine, "", f"and {path} is of ")
    finally:
        machine.run(f"touch {path}").ok()


@pytest.mark.once
@pytest.mark.usefixtures("drifted")
def test_nginx_does_not_read_our_sites(machine: Machine) -> None:
    """An nginx.conf without sites-enabled stops the run, and the doctor says the same."""
    conf = "/etc/nginx/nginx.conf"
    machine.run(f"cp -p {conf} /root/ && sed -i 's,include /etc/nginx/sites-enabled,# &,' {conf}").ok()
    machine.run("touch /root/marker").ok()
    reported = f"{conf}: has nginx not read /etc/nginx/sites-enabled, "
    try:
        assert_stopped(machine, "", reported)
        assert reported in doctor(machine).stderr
    finally:
        machine.run(f"cp -p /root/nginx.conf {conf}").ok()


@pytest.mark.once
def test_single_sls(machine: Machine) -> None:
    """One formula alone takes nothing that is somebody's either."""
    machine.run(f"cp {RECORD} /root/owned && sed -i '\\,file /etc/nginx/sites-available/,d' {RECORD}").ok()
    try:
        for command in ("state.apply nginx", "state.sls nginx test=True"):
            refused = machine.run(f"salt-call --local {command}")
            assert refused.code
            assert "file /etc/nginx/sites-available/phagescan: is not ours" in refused.stdout
    finally:
        machine.run(f"mv /root/owned {RECORD}").ok()
    machine.run("salt-call --local state.apply nginx").ok()


@pytest.mark.once
def test_epmd_of_somebody(machine: Machine) -> None:
    """An epmd of another user is named; once it has ended, a run brings systemd's and the broker back."""
    machine.run(
        "systemctl stop rabbitmq-server epmd.socket epmd.service && su nobody -s /bin/sh -c 'epmd -daemon'"
    ).ok()
    try:
        reported = doctor(machine)
    finally:
        machine.run("pkill -u nobody -x epmd").ok()
    assert reported.code
    assert re.search(
        r"Erlang's epmd: port 4369 is taken by epmd \(pid \d+\) of user nobody; stop it, ", reported.stderr
    )
    machine.highstate().ok()
    machine.canary().ok()


@pytest.mark.once
def test_index_is_away(machine: Machine) -> None:
    """Where a virtualenv lacks something the doctor asks for it as the run does; where it lacks nothing it does not."""
    info = "/opt/phagescan-venv/lib/python3*/site-packages/amqp-*.dist-info"
    with away(machine, "/root/pip.conf", "[global]\nindex-url = http://127.0.0.1:9/\nno-index = false\n"):
        machine.run("mv /etc/pip.conf /root/pip.conf.kept; cp /root/pip.conf /etc/pip.conf").ok()
        try:
            assert "No faults" in doctor(machine).ok().stdout
            machine.run(f"mkdir /root/info && mv {info} /root/info/").ok()
            reported = doctor(machine)
            machine.run("mv /root/info/* /opt/phagescan-venv/lib/python3*/site-packages/").ok()
        finally:
            machine.run("rm -rf /etc/pip.conf /root/info; mv /root/pip.conf.kept /etc/pip.conf")
    assert reported.code
    assert "/opt/phagescan-venv: pip cannot fetch what it lacks (" in reported.stderr


@pytest.mark.once
@pytest.mark.usefixtures("drifted")
def test_ownership(machine: Machine) -> None:
    """What no run has recorded is somebody's: run and doctor name it, and nothing is touched. Without a record a host
    with our settings is adopted, once.
    """
    names = {"file /etc/gunicorn/gunicorn.conf.py", "vhost phage", "database phage", "directory /opt/phagescan"}
    forget = "".join(f" -e '{name}'" for name in names)
    machine.run(f"mv {RECORD} /root/owned && grep -vxF {forget} /root/owned >{RECORD} && touch /root/marker").ok()
    try:
        assert_stopped(machine, "", "vhost phage: ")
        reported = doctor(machine)
    finally:
        machine.run(f"cp -p /root/owned {RECORD}").ok()
    assert reported.code
    said = reported.stderr.replace("Error running 'phagescan.doctor': ", "").splitlines()
    assert {line.partition(": ")[0] for line in said if "phagescan:take" in line} == names
    machine.run(f"rm {RECORD}").ok()
    (adopted,) = [change for change in machine.highstate().ok().changed if change.function == "phagescan.owned"]
    assert "adopted from the release that has converged this host before" in adopted.comment
    machine.run(f"cmp {RECORD} /root/owned && rm /root/owned").ok()


@contextmanager
def away(machine: Machine, path: str, content: str) -> Iterator[None]:
    """Write a file for a while."""
    machine.put({path: content.encode()})
    try:
        yield
    finally:
        machine.run(f"rm {path}").ok()


def test_offline(machine: Machine) -> None:
    """Without any archive the doctor has a fault, and a run that has nothing to install has none: it does not ask."""
    with away(
        machine, OFFLINE, 'Acquire::http::Proxy "http://127.0.0.1:9";\nAcquire::https::Proxy "http://127.0.0.1:9";\n'
    ):
        reported = doctor(machine)
        machine.highstate().clean()
    assert reported.code != 0
    (line,) = [line for line in reported.stderr.splitlines() if "archive: " in line and not line.startswith("Note: ")]
    assert "cannot be used" in line
    assert "127.0.0.1" in line


@pytest.mark.usefixtures("drifted")
def test_offline_and_bare(machine: Machine) -> None:
    """Without any archive a run that has something to install stops before it has touched anything."""
    program = "/usr/bin/supervisord"
    machine.run(f"mv {program} /root/").ok()
    try:
        with away(machine, OFFLINE, 'Acquire::http::Proxy "http://127.0.0.1:9";\n'):
            machine.run("touch /root/marker").ok()  # that was us
            assert_stopped(machine, "", "archive: http")
    finally:
        machine.run(f"mv /root/supervisord {program}").ok()


def test_one_source_is_away(machine: Machine) -> None:
    """One source of several that does not answer is a note."""
    with away(machine, SOURCE, "deb [trusted=yes] http://127.0.0.1:9/debian nowhere main\n"):
        reported = doctor(machine).ok().stdout
    assert "No faults in pillar or host." in reported
    assert "Note: archive: http://127.0.0.1:9/debian: Could not connect" in reported


@pytest.mark.parametrize("state", ["ok half-configured", "reinstreq half-installed", "reinstreq unpacked"])
@pytest.mark.parametrize("run", ["highstate", "bootstrap"])
def test_dpkg(machine: Machine, run: str, state: str) -> None:
    """A dpkg run that was cut off is a note of the doctor's, and completed by the next run, which says so."""
    machine.run(f"sed -i '/^Package: logrotate$/,/^$/s/^Status: .*/Status: install {state}/' /var/lib/dpkg/status").ok()
    assert machine.run("dpkg --audit").stdout
    note = "Note: dpkg: a run was interrupted; the next highstate completes it"
    assert note in doctor(machine).ok().stdout
    if run == "highstate":
        (change,) = machine.highstate().ok().changed
        assert change.comment == "An interrupted dpkg run was completed."
    else:
        assert "bootstrap: completing an interrupted dpkg run" in machine.bootstrap().ok().stdout
    assert not machine.run("dpkg --audit").stdout
    assert note not in doctor(machine).ok().stdout


def test_all_is_well_again(machine: Machine) -> None:
    """None of this left a trace."""
    machine.run(f"test -e {TOUCHED}").ok()
    machine.highstate().clean()
