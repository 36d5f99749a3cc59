"""A PostgreSQL cluster is made once, to the end; half of one is made again, and what holds data is not ours to
remove.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

TOOL = """#!/bin/sh
echo "$LC_ALL $*" >>{folder}/made
port=${{1#--port=}} && shift
mkdir -p {folder}/etc/$1/$2 {folder}/var/$1/$2
[ ! -e {folder}/broken ] || {{ echo "Error: no luck" >&2; exit 1; }}
printf "port = $port\ninclude_dir = 'conf.d'\n" >{folder}/etc/$1/$2/postgresql.conf
"""


@pytest.fixture
def cluster(load: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The state module, on a host whose pg_createcluster notes what it does."""
    util = load("_utils/postgresql_cluster")
    utils = {f"postgresql_cluster.{name}": getattr(util, name) for name in ("found", "mark", "move")}
    module = load("_states/postgresql_cluster", __opts__={"test": False}, __utils__=utils)
    for each in (util, module):
        each.SETTINGS, each.DATA = tmp_path / "etc", tmp_path / "var"
    (tmp_path / "bin").mkdir()
    module.DATA.mkdir()
    (tmp_path / "bin" / "pg_createcluster").write_text(TOOL.format(folder=tmp_path))
    (tmp_path / "bin" / "pg_createcluster").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:/usr/bin:/bin")
    return module


def test_made_once(cluster: Any, tmp_path: Path) -> None:
    """One that is not there is made, and one that is there is left alone; a preview says so and makes none."""
    cluster.__opts__["test"] = True
    assert cluster.present("17/main")["result"] is None
    assert not cluster.SETTINGS.exists()
    cluster.__opts__["test"] = False
    made = cluster.present("17/main")
    assert (made["result"], made["changes"]) == (True, {"17/main": "made"})
    assert cluster.present("17/main")["changes"] == {}
    assert (tmp_path / "made").read_text() == "C.UTF-8 --port=5432 17 main\n"
    assert not list(cluster.DATA.glob("*.making"))


@pytest.mark.parametrize("settings", [True, False])
def test_made_anew(cluster: Any, tmp_path: Path, settings: bool) -> None:
    """What an interruption or an error left is removed first, however far it came."""
    (tmp_path / "broken").touch()
    failed = cluster.present("17/main")
    assert (failed["result"], failed["changes"]) == (False, {})
    assert failed["comment"] == "pg_createcluster --port=5432 17 main failed (1): Error: no luck"
    (tmp_path / "broken").unlink()
    (cluster.DATA / "17" / "main" / "PG_VERSION").touch()
    if settings:
        (cluster.SETTINGS / "17" / "main" / "postgresql.conf").touch()
    made = cluster.present("17/main")
    assert (made["result"], made["changes"]) == (True, {"17/main": "made again, after an interruption"})
    assert not (cluster.DATA / "17" / "main" / "PG_VERSION").exists()
    assert cluster.present("17/main")["changes"] == {}


def test_data_stays(cluster: Any, tmp_path: Path) -> None:
    """Data without settings is not ours to remove, nor is a cluster that was ever started, whatever a lost write
    left.
    """
    data = cluster.DATA / "17" / "main"
    data.mkdir(parents=True)
    (data / "PG_VERSION").touch()
    assert cluster.present("17/main")["result"] is False
    (cluster.SETTINGS / "17" / "main").mkdir(parents=True)
    (cluster.SETTINGS / "17" / "main" / "postgresql.conf").touch()
    (cluster.DATA / "17-main.making").touch()
    (data / "postmaster.opts").touch()
    for test in (True, False):
        cluster.__opts__["test"] = test
        assert cluster.present("17/main")["changes"] == {}
        assert (cluster.DATA / "17-main.making").exists() is test
    (data / "postmaster.opts").unlink()
    assert cluster.present("17/main")["changes"] == {}
    assert (data / "PG_VERSION").exists()
    assert not (tmp_path / "made").exists()


def test_port(cluster: Any) -> None:
    """A cluster that was made here moves to another port; a preview says so, and moves nothing."""
    assert cluster.present("17/main", 5433)["changes"] == {"17/main": "made"}
    assert cluster.present("17/main", 5433)["changes"] == {}
    for test, result, changes in ((True, None, 1), (False, True, 1), (False, True, 0)):
        cluster.__opts__["test"] = test
        done = cluster.present("17/main", 5440)
        assert (done["result"], len(done["changes"])) == (result, changes)
    assert cluster.__utils__["postgresql_cluster.found"]()["17/main"]["port"] == 5440


def test_port_of_somebody(cluster: Any) -> None:
    """One that was here first, and is in use, keeps its port."""
    (cluster.SETTINGS / "17/main").mkdir(parents=True)
    (cluster.SETTINGS / "17/main/postgresql.conf").write_text("port = 5440\n")
    (cluster.DATA / "17/main/base/16384").mkdir(parents=True)
    assert cluster.present("17/main", 5433)["changes"] == {}
