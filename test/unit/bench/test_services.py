"""Processor time is that of the service that has used it, and what the bench uses itself is in none."""

import os
import subprocess
import sys
from types import SimpleNamespace

import pytest

SESSION = 77


@pytest.fixture
def seconds(bench: SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> dict[str, float]:
    """Of processes that are made up."""
    users = {"avscan": 901, "avuser": 902, "postgres": 903}
    monkeypatch.setattr(bench.services.pwd, "getpwnam", lambda name: SimpleNamespace(pw_uid=users[name]))
    us = os.getpid()
    listed = [
        (10, 1, 0, "nginx: master process", 1),
        (11, 10, 33, "nginx: worker process", 2),
        (20, 1, 903, "/usr/lib/postgresql/17/bin/postgres -D /data", 4),
        (SESSION, 20, 903, "postgres: 17/main: postgres phage [local] idle", 8),
        (us, 1, 0, "python bench/scanning.py", 16),
        (31, us, 0, "runuser -u postgres -- psql phage", 32),
        (32, 31, 903, "psql phage", 64),
        (40, 1, 902, "python celeryd --config=masterceleryconfig", 128),
        (41, 1, 902, "python of a kind that is new", 256),
        (50, 1, 901, "python celeryd --config=workerceleryconfig", 512),
        (51, 50, 901, "python of a kind that is new", 1024),
        (60, 1, 0, "/usr/sbin/cron", 2048),
    ]
    monkeypatch.setattr(
        bench.services, "processes", lambda: {pid: bench.services.Process(*rest) for pid, *rest in listed}
    )
    return bench.services.processor_seconds(SESSION)


def test_services(seconds: dict[str, float]) -> None:
    """A process is known by its command, or by its owner; what no user of ours runs is left out."""
    assert {service: used for service, used in seconds.items() if used} == {
        "nginx": 3,
        "postgresql": 4,
        "celeryd-master": 128,
        "other": 256,
        "celeryd": 512,
        "engines": 1024,
        "bench": 16 + 8 + 32 + 64,
    }


def test_real_processes(bench: SimpleNamespace) -> None:
    """What a process has used is read of the kernel, also after it has ended."""
    burn = "sum(range(3_000_000))"
    before = bench.services.processor_seconds(0)["bench"]
    subprocess.run([sys.executable, "-c", burn], check=True)
    assert bench.services.processor_seconds(0)["bench"] > before
    known = bench.services.processes()
    assert known[os.getpid()].owner == os.getuid()
    assert os.getpid() in bench.services.below(os.getppid(), known)
