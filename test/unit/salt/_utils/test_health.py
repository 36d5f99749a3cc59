"""What `phagescan.status` is made of on Salt's side: pages, disks, certificates, logs, and what is blamed for what."""

import copy
import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from health_support import certificate, states

MASTER = ("broker", "database", "camera", "beat", "clocks", "queues", "engines", "samples", "master.master")
PILLAR: dict[str, Any] = {
    "phagescan": {
        "mode": "production",
        "root": "/srv/app",
        "virtualenv": "/srv/venv",
        "user": "avuser",
        "log_dir": "/nonexistent",
        "scan": {"sample_root": "/nonexistent"},
        "worker": {"user": "avscan", "log_dir": "/nonexistent", "master_url": "http://127.0.0.1"},
    },
    "celery": {
        "log_dir": "/nonexistent",
        "user": "avuser",
        "workers": {
            "celeryd-master": {"role": "master", "config": "masterceleryconfig", "hostname": "master.master"},
            "celeryd": {"role": "worker", "config": "workerceleryconfig", "hostname": "scan@%h", "user": "avscan"},
        },
    },
    "supervisord": {"programs": {"celerycam": {"command": "celery events --frequency 7", "logfile": "/nonexistent"}}},
    "nginx": {},
}


def test_disk(health: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file system is reported once; one that is nearly full, or has no inodes left, is a fault."""

    def left(free: int, size: int, inodes: int = 50) -> Any:
        numbers = SimpleNamespace(f_bavail=free, f_blocks=size, f_frsize=2**20, f_favail=inodes, f_files=100)
        monkeypatch.setattr(health.os, "statvfs", lambda _: numbers)
        return health.probes.disk([str(tmp_path), str(tmp_path), "/nonexistent"])

    assert left(2000, 100_000) == {"ok": True, "said": f"{tmp_path} has 2.0 GiB of 97.7 GiB left", "of": ""}
    assert left(1000, 100_000)["ok"] is False
    assert left(16, 100)["ok"] is True
    assert left(9, 100)["ok"] is False
    assert "0 of 100 inodes" in left(2000, 100_000, 0)["said"]


def test_frequency(health: Any) -> None:
    """How often the camera takes a picture stands in its command; else it is Celery's default."""
    for command, seconds in (("x --frequency 2", "2"), ("x --freq=0.5", "0.5"), ("x -F 9 y", "9"), ("x", "1")):
        assert health.frequency({"programs": {"celerycam": {"command": command}}}) == seconds
    empty: list[dict[str, Any] | None] = [None, {}, {"programs": {}}, {"mode_key": "phagescan:mode"}]
    for nothing in empty:
        assert health.frequency(nothing) == "1"
        assert health.logs({"supervisord": nothing, "phagescan": {}}, {})["camera"] == ("supervisor", "")


def answering(master: Any, worker: Any, ran: list[tuple[str, ...]] | None = None) -> Callable[..., Any]:
    """What runs the application's Python: it says these things."""

    def python(site: dict[str, Any], *arguments: str, timeout: float) -> Any:
        said = worker if "worker.status" in arguments else master
        if ran is not None:
            ran.append((site["user"], *arguments))
        if isinstance(said, Exception):
            raise said
        return subprocess.CompletedProcess(arguments, 0, said if isinstance(said, str) else json.dumps(said), "why\n")

    return python


def reported(names: tuple[str, ...], **broken: bool | None) -> dict[str, Any]:
    """Parts that are ok, but for some."""
    return {name: {"ok": broken.get(name.replace("-", "_"), True), "said": name} for name in names}


@pytest.fixture
def look(health: Any, monkeypatch: pytest.MonkeyPatch) -> Callable[..., dict[str, Any]]:
    """Looks at a host with a web page."""
    monkeypatch.setattr(health.os.path, "isdir", lambda _: True)
    monkeypatch.setattr(health.probes, "disk", lambda _: health.part("free", ok=True))
    monkeypatch.setattr(
        health.probes, "website", lambda *_: {"web": health.part("", ok=True), "static": health.part("", ok=True)}
    )

    def make(
        python: Callable[..., Any],
        roles: tuple[str, ...] = ("master", "worker"),
        mode: str = "production",
        certificate: str | None = None,
        **paths: str,
    ) -> dict[str, Any]:
        def services(names: dict[str, None]) -> dict[str, dict[str, Any]]:
            return {
                name: {
                    "running": True,
                    "unwritable": paths.get(name, ""),
                    "elsewhere": paths.get(f"{name}_elsewhere", ""),
                }
                for name in names
            }

        def spared(found: dict[str, Any], nodes: dict[str, str], _: Any) -> dict[str, Any]:
            return {name: health.part(f"{nodes} started", ok=True) for name, each in found.items() if "startup" in each}

        pillar = copy.deepcopy(PILLAR)
        pillar["phagescan"]["mode"] = mode
        tls = {"certificate": certificate} if certificate else {}
        pillar["nginx"] = {"sites": {"phagescan": {"listen": 80}}, "tls": tls, "tls_port": 443}
        return health.parts(pillar, list(roles), python, services, spared, lambda *_, **__: [])

    return make


WORKER = ("broker-worker", "scan@unit", "engines", "fetch")


def test_parts(look: Callable[..., dict[str, Any]]) -> None:
    """Each user's Python is asked for what it can know, and the parts come in a sensible order."""
    ran: list[tuple[str, ...]] = []
    found = look(answering(reported((*MASTER, "scan@unit")), reported(WORKER), ran))
    assert sorted(ran) == [
        ("avscan", "-m", "worker.status", "scan@unit", "/run/celeryd"),
        ("avuser", "manage.py", "status", "--frequency", "7", "--", "master.master", "scan@unit"),
    ]
    assert list(found) == [
        *("broker", "broker-worker", "database", "web", "static", "master.master", "scan@unit"),
        *("camera", "beat", "clocks", "queues", "engines", "samples", "fetch", "disk"),
    ]
    assert set(states(found).values()) == {True}
    assert list(look(answering({}, reported(WORKER)), ("worker",))) == [
        "broker-worker",
        "scan@unit",
        "engines",
        "fetch",
        "disk",
    ]


def test_the_master_knows_better(look: Callable[..., dict[str, Any]]) -> None:
    """Of what both have looked at the master's word counts, unless it knows nothing."""
    silent = reported((*MASTER, "scan@unit")) | {"scan@unit": {"ok": False, "said": "does not answer"}}
    assert states(look(answering(silent, reported(WORKER))))["scan@unit"] is False
    assert states(look(answering(reported((*MASTER, "scan@unit"), engines=None), reported(WORKER))))["engines"] is True


def test_a_degraded_worker_knows_better(look: Callable[..., dict[str, Any]]) -> None:
    """The master gets no answer of a worker that goes by the name its host had before; the worker itself says why."""
    worker = reported(WORKER) | {"scan@unit": {"ok": True, "degraded": True, "said": "works as scan@old"}}
    silent = reported((*MASTER, "scan@unit")) | {"scan@unit": {"ok": False, "said": "does not answer"}}
    found = look(answering(silent, worker))["scan@unit"]
    assert found == {"ok": True, "degraded": True, "said": "works as scan@old", "log": []}


def test_certificate_among_the_parts(
    look: Callable[..., dict[str, Any]],
    health: Any,
    tmp_path: Path,
    serve: Callable[..., int],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It is judged by what the ports of nginx and the broker show; a worker serves none."""
    path, old = certificate(tmp_path / "new.pem", 90), certificate(tmp_path / "old.pem", 90)
    places = {"web": ("127.0.0.1", serve(path)), "broker": ("127.0.0.1", serve(path))}
    monkeypatch.setattr(health.probes, "secured", lambda *_: places)
    python = answering(reported((*MASTER, "scan@unit")), reported(WORKER))
    assert states(look(python, certificate=path))["certificate"] is True
    places["broker"] = ("127.0.0.1", serve(old))
    assert states(look(python, certificate=path))["certificate"] is False
    assert "certificate" not in look(python, ("worker",), certificate=path)
    places["broker"] = ("127.0.0.1", 1)
    broken = answering(reported((*MASTER, "scan@unit"), broker=False), reported(WORKER))
    assert states(look(broken, certificate=path))["certificate"] is None


def test_just_started(look: Callable[..., dict[str, Any]]) -> None:
    """What is late because its service was started a moment ago is not broken; Celery's services are known by their
    nodes.
    """
    late = reported((*MASTER, "scan@unit"), camera=False) | {"beat": {"ok": False, "said": "late", "startup": {}}}
    found = look(answering(late, reported(WORKER)))
    assert [name for name, ok in states(found).items() if not ok] == ["camera"]
    services = {"gunicorn": "gunicorn", "master.master": "celeryd-master", "scan@unit": "celeryd"}
    assert found["beat"] == {"ok": True, "said": f"{services} started", "log": []}


def test_unwritable(look: Callable[..., dict[str, Any]]) -> None:
    """A service that answers and cannot write where it should is broken; one that is broken already is reported as it
    is.
    """
    found = look(answering(reported((*MASTER, "scan@unit")), reported(WORKER)), gunicorn="/samples", celeryd="/logs")
    assert {name for name, ok in states(found).items() if not ok} == {"web", "scan@unit"}
    assert (
        found["web"]["said"]
        == "gunicorn cannot write /samples, which was made again: run salt-call --local state.highstate"
    )
    silent = reported((*MASTER, "scan@unit")) | {"scan@unit": {"ok": False, "said": "does not answer"}}
    assert look(answering(silent, reported(WORKER)), celeryd="/logs")["scan@unit"]["said"] == "does not answer"


def test_another_directory(look: Callable[..., dict[str, Any]]) -> None:
    """A service that goes on below what was mounted since is broken, well as it seems."""
    found = look(answering(reported((*MASTER, "scan@unit")), reported(WORKER)), gunicorn_elsewhere="/samples")
    assert {name for name, ok in states(found).items() if not ok} == {"web"}
    assert found["web"]["said"].startswith("gunicorn goes on with what /samples was when it was started")


def test_blame(look: Callable[..., dict[str, Any]]) -> None:
    """A part that is broken because another is does not count as broken."""
    found = states(look(answering(reported(MASTER, broker=False), reported(WORKER, broker_worker=False))))
    assert (found["broker"], found["broker-worker"]) == (False, None)
    assert states(look(answering(reported(MASTER), reported(WORKER, broker_worker=False))))["broker-worker"] is False


@pytest.mark.parametrize(
    ("trouble", "said"),
    [
        (FileNotFoundError("no python"), "is not installed here"),
        (TimeoutError(), "no answer within 30 s"),
        (KeyError("avuser"), "is not installed here"),
        ("Traceback", "why"),
    ],
)
def test_application_that_cannot_look(look: Callable[..., dict[str, Any]], trouble: Any, said: str) -> None:
    """That is a part by itself; what it would have looked at is not known, and the rest is reported."""
    found = look(answering(trouble, reported(WORKER)))
    assert [name for name, ok in states(found).items() if ok is False] == ["application"]
    assert said in found["application"]["said"]
    assert {name for name, ok in states(found).items() if ok is None} == {*MASTER} - {"engines"}


def test_development(look: Callable[..., dict[str, Any]]) -> None:
    """What is not to run is not looked at, and is no fault."""
    ran: list[tuple[str, ...]] = []
    broken = reported(WORKER, fetch=False, engines=False) | {"scan@unit": {"ok": False, "said": ""}}
    found = look(answering(reported(("broker", "database")), broken, ran), mode="development")
    assert ("avuser", "manage.py", "status", "--frequency", "7", "--") in ran
    assert {name for name, ok in states(found).items() if ok} == {
        "broker",
        "broker-worker",
        "database",
        "static",
        "disk",
    }
    assert set(found) == {*MASTER, *WORKER, "web", "static", "disk"}
    assert False not in states(found).values()
