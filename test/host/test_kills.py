"""Nothing is lost, and nothing has effect twice, whatever is killed while samples come in."""

from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import pytest

from support.logins import query
from support.machine import Machine
from support.scanning import Api, kill, outcomes
from support.waiting import wait_until

pytestmark = [pytest.mark.clone("scan"), pytest.mark.once]

UPLOADS, MANY = 50, 125  # for each victim
# Service and its pid file, where systemd does not run. Each is killed twice.
VICTIMS = 2 * [
    ("celeryd-master", "/run/celeryd-master/celeryd-master.pid"),
    ("celeryd-result", "/run/celeryd-result/celeryd-result.pid"),
    ("celeryd", "/run/celeryd/celeryd.pid"),
    ("rabbitmq-server", "/run/rabbitmq/pid"),
]
UNFINISHED = "select count(*) from scaggr_scanrun where finished_at is null"


def test_kills(machine: Machine, long: bool) -> None:
    """Every upload ends with exactly one verdict of each engine, though each service in its way is killed twice."""
    api, each = Api(machine), MANY if long else UPLOADS
    wait_until(lambda: api.engines() >= {"yara", "fileinfo"}, "both engines are announced")

    mark = f"kill-{uuid4().hex}"

    def upload(name: str) -> int:
        return api.upload(f"{name}\n".encode(), f"{name}.txt").status_code

    answers = []
    with ThreadPoolExecutor(4) as pool:
        for number, victim in enumerate(VICTIMS):
            uploads = [pool.submit(upload, f"{mark}-{number}-{count}") for count in range(each)]
            answers.append(uploads[0].result())
            assert not uploads[-1].done() or query(machine, UNFINISHED) != "0", "there is nothing left to disturb"
            kill(machine, *victim)
            answers += [upload_.result() for upload_ in uploads[1:]]
    assert set(answers) == {202}

    assert outcomes(machine, mark) == f"fileinfo described, yara clean|{len(answers)}"
    machine.canary().ok()
