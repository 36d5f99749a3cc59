"""What is wrong with a host is said before anything is touched."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pillars import REMOVED


@pytest.mark.parametrize(
    ("folder", "name", "mark"),
    [("opt/phagescan", "theirs", "manage.py"), ("opt/phagescan-venv", "theirs", "pyvenv.cfg")],
)
def test_directories_of_others(
    phagescan: Callable[..., Any], tmp_path: Path, folder: str, name: str, mark: str
) -> None:
    """What would be emptied holds nothing of others; what a killed run has left there is ours."""
    (tmp_path / folder / "bin").mkdir(parents=True)
    (tmp_path / "srv/roots/phagescan/bin").mkdir(parents=True)
    assert phagescan().faults() == []
    (tmp_path / folder / name).touch()
    (fault,) = phagescan().faults()
    key = "phagescan:virtualenv" if folder.endswith("venv") else "phagescan:root"
    assert fault == f"{key}: /{folder} holds {name}, which is not ours: choose another directory"
    (tmp_path / folder / mark).touch()
    assert phagescan().faults() == []


def test_checkout_is_not_emptied(phagescan: Callable[..., Any]) -> None:
    """The code does not land on the tree that it comes from."""
    changed = {
        "phagescan:virtualenv": "/srv/pillar",
        "gunicorn:virtualenv": "/srv/pillar",
        "celery:virtualenv": "/srv/pillar",
        "supervisord:programs:celerycam:command": "/srv/pillar/bin/celery",
    }
    (fault,) = phagescan(changed).faults()
    assert fault.startswith("phagescan:virtualenv: must not hold this checkout, /srv/pillar")


@pytest.mark.parametrize(
    ("clusters", "port"),
    [
        ({}, 5432),
        ({"17/main": "port = 5432\n"}, 5432),
        ({"17/main": "#port = 5433\n"}, 5432),
        ({"17/main": "port = 5433 # moved\n"}, 5433),
        ({"15/main": "port = 5433\n"}, 5432),
        ({"15/main": "#\n port=5432\n"}, 5433),
        ({"17/shop": ""}, 5433),
        ({"15/main": "port = 5432\n", "17/shop": "port = 5433\n", "13/main": "port = 5435\n"}, 5434),
        ({"15/main": "port = 5432\n", "17/main": "port = 5440\n"}, 5440),
    ],
)
def test_clusters(phagescan: Callable[..., Any], tmp_path: Path, clusters: dict[str, str], port: int) -> None:
    """A cluster that is here keeps its port; a new one gets the first that is free, and pillar must say which."""
    for cluster, config in clusters.items():
        path = tmp_path / "etc" / "postgresql" / cluster / "postgresql.conf"
        path.parent.mkdir(parents=True)
        path.write_text(config)
    assert phagescan({"postgresql:port": port}).faults() == []
    if port == 5432:
        assert phagescan({"postgresql:port": REMOVED}).faults() == []
    (fault,) = phagescan({"postgresql:port": 6000}).faults()
    assert fault.startswith(f"postgresql:port: cluster 17/main has port {port}; set this key to it")
    for cluster in clusters.keys() - {"17/main"}:
        assert f"{cluster} on " in fault
    assert "17/main on" not in fault
    assert phagescan({"postgresql:port": 6000, "phagescan:roles": ["worker"]}).faults() == []


def test_cluster_of_another_version(phagescan: Callable[..., Any], tmp_path: Path) -> None:
    """Which cluster is ours is what the release, or pillar, says."""
    path = tmp_path / "etc" / "postgresql" / "15" / "main" / "postgresql.conf"
    path.parent.mkdir(parents=True)
    path.write_text("port = 5440\n")
    assert phagescan().faults() == []
    for changed, grains in (({}, {"osfinger": "Debian-12"}), ({"postgresql:version": 15}, {})):
        (fault,) = phagescan(changed, **grains).faults()
        assert fault == "postgresql:port: cluster 15/main has port 5440; set this key to it"


def test_foreign_programs(phagescan: Callable[..., Any], tmp_path: Path) -> None:
    """Development stops supervisord, and so is refused while that runs programs of somebody else."""
    folder = tmp_path / "etc" / "supervisor" / "conf.d"
    folder.mkdir(parents=True)
    (folder / "celerycam.conf").touch()
    assert phagescan({"phagescan:mode": "development"}).faults() == []
    (folder / "theirs.conf").touch()
    (fault,) = phagescan({"phagescan:mode": "development"}).faults()
    assert fault.startswith("phagescan:mode: development would stop supervisord")
    assert phagescan().faults() == []


def test_master_that_was(phagescan: Callable[..., Any], tmp_path: Path) -> None:
    """A host that has been a master is not made a worker in passing."""
    (tmp_path / "etc/phagescan").mkdir(parents=True)
    (tmp_path / "etc/phagescan/master.toml").touch()
    assert phagescan().faults() == []
    (fault,) = phagescan({"phagescan:roles": ["worker"]}).faults()
    assert fault.startswith("phagescan:roles: master is gone, but this host has been one")
