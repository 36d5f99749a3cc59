"""Django behind gunicorn."""

import socket
import threading

import pytest
import requests
from testinfra.host import Host

from support.machine import Machine
from support.scanning import kill


def test_package(machine: Machine) -> None:
    """Gunicorn is in the virtualenv."""
    machine.run("/opt/phagescan-venv/bin/gunicorn --version").ok()


def test_config(machine: Machine) -> None:
    """Its configuration and the file that starts it are root's."""
    start = "/etc/systemd/system/gunicorn.service" if machine.spec.systemd else "/etc/init.d/gunicorn"
    mode = "644" if machine.spec.systemd else "755"
    assert machine.run(f"stat -c '%U:%G %a' {start}").ok().stdout.strip() == f"root:root {mode}"
    for entry in machine.run("find /etc/gunicorn -type f -exec stat -c '%U %a' {} +").ok().stdout.splitlines():
        assert entry in ("root 644", "root 640")


def test_service(machine: Machine) -> None:
    """It runs as avuser, and starts on boot."""
    assert machine.is_running("gunicorn")
    assert machine.is_enabled("gunicorn")


def test_user(host: Host) -> None:
    """All its processes are avuser's."""
    processes = [process for process in host.process.filter() if "/bin/gunicorn " in process.args]
    assert len(processes) >= 2
    assert {process.user for process in processes} == {"avuser"}


def test_socket(host: Host) -> None:
    """It listens on loopback only."""
    assert [name for name in host.socket.get_listening_sockets() if name.endswith(":9000")] == ["tcp://127.0.0.1:9000"]


def test_page_works(machine: Machine) -> None:
    """On the host itself Django answers on port 9000."""
    page = machine.run(
        "/opt/phagescan-venv/bin/python -c 'import urllib.request as r; print(r.urlopen(\"http://127.0.0.1:9000/\").url)'"
    )
    assert "login" in page.ok().stdout


def test_port_is_refused_outside(machine: Machine) -> None:
    """From outside it does not."""
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((machine.address, 9000), timeout=10)


def test_reload_loses_no_request(machine: Machine) -> None:
    """While it is reloaded every request is answered."""
    address = f"http://{machine.address}/"
    answers: list[int] = []
    done = threading.Event()

    def ask() -> None:
        while not done.is_set():
            answers.append(requests.get(address, timeout=30).status_code)

    asking = threading.Thread(target=ask)
    asking.start()
    try:
        for _ in range(3):
            machine.service("gunicorn", "reload").ok()
    finally:
        seen = len(answers)
        while len(answers) < seen + 20 and asking.is_alive():
            done.wait(0.05)
        done.set()
        asking.join()
    assert len(answers) > 20
    assert set(answers) == {200}


@pytest.mark.once
def test_comes_back(machine: Machine) -> None:
    """It is started again when it was killed."""
    kill(machine, "gunicorn", "/run/gunicorn/gunicorn.pid")
