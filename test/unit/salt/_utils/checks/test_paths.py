"""What is wrong with a host is said before anything is touched."""

from collections.abc import Callable
from pathlib import Path

import pytest

from pillars import REMOVED


def test_checkout_is_not_emptied(examine: Callable[..., list[str]]) -> None:
    """The code does not land on the tree that it comes from."""
    (fault,) = examine({"phagescan:virtualenv": "/srv/pillar"})
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
def test_clusters(examine: Callable[..., list[str]], tmp_path: Path, clusters: dict[str, str], port: int) -> None:
    """A cluster that is here keeps its port; a new one gets the first that is free, and pillar must say which."""
    for cluster, config in clusters.items():
        path = tmp_path / "etc" / "postgresql" / cluster / "postgresql.conf"
        path.parent.mkdir(parents=True)
        path.write_text(config)
    assert examine({"postgresql:port": port}) == []
    if port == 5432:
        assert examine({"postgresql:port": REMOVED}) == []
    (fault,) = examine({"postgresql:port": 6000})
    assert fault.startswith(f"postgresql:port: cluster 17/main has port {port}; set this key to it in pillar/local.sls")
    for cluster in clusters.keys() - {"17/main"}:
        assert f"{cluster} on " in fault
    assert "17/main on" not in fault
    assert (
        examine(
            {"postgresql:port": 6000, "phagescan:roles": ["worker"], "phagescan:worker:master_url": "http://192.0.2.1"}
        )
        == []
    )


def test_cluster_of_another_version(examine: Callable[..., list[str]], tmp_path: Path) -> None:
    """Which cluster is ours is what the release, or pillar, says."""
    path = tmp_path / "etc" / "postgresql" / "15" / "main" / "postgresql.conf"
    path.parent.mkdir(parents=True)
    path.write_text("port = 5440\n")
    assert examine() == []
    for changed, grains in (({}, {"osfinger": "Debian-12"}), ({"postgresql:version": 15}, {})):
        (fault,) = examine(changed, **grains)
        assert fault == "postgresql:port: cluster 15/main has port 5440; set this key to it in pillar/local.sls"


def test_foreign_programs(examine: Callable[..., list[str]], tmp_path: Path) -> None:
    """Development stops supervisord, and so is refused while that runs programs of somebody else."""
    folder = tmp_path / "etc" / "supervisor" / "conf.d"
    folder.mkdir(parents=True)
    (folder / "celerycam.conf").touch()
    assert examine({"phagescan:mode": "development"}) == []
    (folder / "theirs.conf").touch()
    (fault,) = examine({"phagescan:mode": "development"})
    assert fault.startswith("phagescan:mode: development would stop supervisord")
    assert examine() == []


def test_master_that_was(examine: Callable[..., list[str]], tmp_path: Path) -> None:
    """A host that has been a master is not made a worker in passing."""
    (tmp_path / "etc/phagescan").mkdir(parents=True)
    (tmp_path / "etc/phagescan/master.toml").touch()
    assert examine() == []
    (fault,) = examine({"phagescan:roles": ["worker"], "phagescan:worker:master_url": "http://192.0.2.1"})
    assert fault.startswith("phagescan:roles: master is gone, but this host has been one")
