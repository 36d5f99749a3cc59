"""Handing samples in and reading verdicts, as a user of the API does."""

import hashlib
from typing import Any

import requests

from support.logins import query
from support.machine import CHECKOUT, Machine
from support.waiting import wait_until

# The test file of all virus scanners, in halves: whole, it would set them off here.
EICAR = ("X5O!P%@AP[4\\PZX54(P^)7CC)7}$EICAR-" + "STANDARD-ANTIVIRUS-TEST-FILE!$H+H*").encode()
TEXT = b"Nothing to see here.\n"

# An engine that does what its sample says, to see how the worker takes it.
TROUBLE = '''"""Trouble, on demand."""

import ctypes
import socket
import time
from pathlib import Path

from engines import Engine, Finding


class Trouble(Engine):
    """Does what its sample says."""

    name = "trouble"
    kind = "evilness"

    def version(self) -> str:
        """Return the version."""
        return "1"

    def self_test(self) -> None:
        """Pass."""

    def scan(self, path: Path) -> Finding:
        """Obey."""
        match path.read_text(errors="replace").partition(" ")[0]:
            case "hang":
                time.sleep(3600)
            case "crash":
                ctypes.string_at(0)
            case "memory":
                bytearray(16 << 30)
            case "raise":
                raise ValueError("trouble")
            case "network":
                try:
                    socket.create_connection(("127.0.0.1", 5672), 5).close()
                except OSError as error:
                    return Finding(False, metadata={"network": str(error)})
                return Finding(True, "Network")
        return Finding(False)
'''


class Api:
    """The API of a host, with a token of its admin."""

    def __init__(self, machine: Machine) -> None:
        """Make a token."""
        self.url = f"http://{machine.address}/api"
        self.session = requests.Session()
        token = machine.run("su - avuser -c 'python manage.py token admin'").ok().stdout.strip()
        self.session.headers["Authorization"] = f"Bearer {token}"

    def upload(self, content: bytes, name: str = "sample.bin") -> requests.Response:
        """Hand a sample in."""
        return self.session.post(f"{self.url}/samples", files={"file": (name, content)}, timeout=60)

    def sample(self, digest: str) -> dict[str, Any]:
        """What is known of a sample."""
        response = self.session.get(f"{self.url}/samples/{digest}", timeout=60)
        assert response.status_code == 200, response.text
        return response.json()

    def finished(self, digest: str, tries: int = 600) -> dict[str, Any]:
        """What is known of a sample once its scan is done."""

        def done() -> dict[str, Any] | None:
            found = self.sample(digest)
            return found if found["status"] == "done" else None

        return wait_until(done, f"{digest} is scanned", tries)

    def scan(self, content: bytes, name: str = "sample.bin") -> dict[str, dict[str, Any]]:
        """Hand a sample in and return its verdicts by engine."""
        response = self.upload(content, name)
        assert response.status_code == 202, response.text
        assert response.json()["sha256"] == hashlib.sha256(content).hexdigest()
        return {verdict["engine"]: verdict for verdict in self.finished(response.json()["sha256"])["verdicts"]}

    def engines(self) -> set[str]:
        """Names of the engines that have a live worker."""
        status = self.session.get(f"{self.url}/status", timeout=60).json()
        return {engine["name"] for engine in status["engines"] if engine["live"]}


def add_trouble(machine: Machine, api: Api) -> None:
    """Add the engine the way the README says: a file and a pillar line."""
    machine.put({f"{CHECKOUT}/roots/phagescan/engines/trouble.py": TROUBLE.encode()})
    machine.highstate("pillar='{phagescan: {engines: {trouble: {timeout: 5, memory: 512}}}}'").ok()
    wait_until(lambda: "trouble" in api.engines(), "the engine trouble is announced")


def remove_trouble(machine: Machine, api: Api) -> None:
    """Take it away again."""
    machine.run(f"rm {CHECKOUT}/roots/phagescan/engines/trouble.py").ok()
    machine.highstate().ok()
    wait_until(lambda: api.engines() == {"yara", "fileinfo"}, "the engine trouble is gone")


def outcomes(machine: Machine, mark: str) -> str:
    """What became of the samples whose names begin so, once all are scanned: their verdicts, and how many have
    these.
    """
    runs = f"scaggr_scanrun.name like '{mark}-%'"
    unfinished = f"select count(*) from scaggr_scanrun where finished_at is null and {runs}"
    wait_until(lambda: query(machine, unfinished) == "0", "all are scanned", 3000)
    return query(
        machine,
        "select said, count(*) from (select string_agg(engine || ' ' || outcome || error, ', ' order by engine) as said"
        f" from scaggr_scanrun left join scaggr_verdict on run_id = scaggr_scanrun.id where {runs}"
        " group by scaggr_scanrun.id) as runs group by said",
    )


def kill(machine: Machine, service: str, pidfile: str) -> None:
    """Kill a service's main process with SIGKILL, and see it come back: by systemd, or as an operator starts it."""
    if machine.spec.systemd:
        pid = machine.run(f"systemctl show --property MainPID --value {service}").ok().stdout.strip()
    else:
        pid = wait_until(lambda: machine.read(pidfile).strip(), f"{pidfile} says what runs")
    machine.run(f"kill -KILL {pid}").ok()
    wait_until(lambda: machine.run(f"test -e /proc/{pid}").code, f"{service} is dead")
    if not machine.spec.systemd:
        machine.service(service, "start").ok()
    wait_until(lambda: machine.is_running(service), f"{service} is back")
