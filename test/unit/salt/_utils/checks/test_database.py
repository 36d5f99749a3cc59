"""PostgreSQL's clusters and their ports: what is reported about one is not taken back by another check."""

from collections.abc import Callable, Iterable
from typing import Any

import pytest

from pillars import REMOVED

HERE = "/run/postgresql"
Ask = Callable[..., list[str]]
WORKER = {"phagescan:roles": ["worker"], "phagescan:worker:master_url": "http://192.0.2.1"}
MOVE = "pg_conftool 17 main set port {}; service postgresql restart"


def cluster(
    port: int, *, runs: bool = True, movable: bool = False, sockets: Iterable[str] = ("/run/postgresql",)
) -> Any:
    """What is known of a cluster."""
    return {"port": port, "runs": runs, "movable": movable, "sockets": list(sockets), "file": "/etc/x/postgresql.conf"}


@pytest.fixture
def ask(examine: Ask, monkeypatch: pytest.MonkeyPatch, load: Callable[..., Any]) -> Ask:
    """Says the faults of a host with these clusters, on which something else listens on 5432."""

    def say(
        clusters: dict[str, Any], port: Any, taken: bool = False, changed: dict[str, Any] | None = None, **grains: Any
    ) -> list[str]:
        database = load("_utils/doctor").database
        there = [("0.0.0.0", 5432, "root"), ("127.0.0.1", 5434, "postgres")] if taken else []  # noqa: S104
        monkeypatch.setattr(database.listening, "by_user", lambda: there)
        changed = {"postgresql:port": port, **(changed or {})}
        return examine(changed, facts={"clusters": lambda: clusters}, **grains)

    return say


@pytest.mark.parametrize("taken", [True, False])
def test_no_cluster_yet(ask: Ask, taken: bool) -> None:
    """One that is yet to be made takes any port: that another has the usual one is no reason to ask for that."""
    for port in (5433, 6000):
        assert ask({}, port, taken) == []
        assert ask({"15/main": cluster(5432)}, port, taken) == []
        assert ask({"17/main": cluster(5432, movable=True)}, port, taken) == []
    assert ask({}, REMOVED) == ask({"17/main": cluster(5432)}, 5432) == []


@pytest.mark.parametrize(
    ("other", "advice"),
    [
        ("15/main", ", or set postgresql:version to '15' to stay with 15/main"),
        ("17/shop", ""),
    ],
)
@pytest.mark.parametrize(("taken", "free"), [(False, 5434), (True, 5435)])
def test_port_of_another_cluster(ask: Ask, other: str, advice: str, taken: bool, free: int) -> None:
    """A port that another cluster has is not ours; one that is free is named."""
    clusters = {other: cluster(5433), "16/more": cluster(5432), "13/far": cluster(5434 if taken else 6000)}
    reason = f"postgresql:port: port 5433 is that of cluster {other}; choose another, such as {free}, in"
    assert ask(clusters, 5433, taken) == [f"{reason} pillar/local.sls{advice}"]
    assert ask(clusters | {"17/main": cluster(5433)}, 5433) == []
    assert len(ask(clusters | {"17/main": cluster(5433, runs=False)}, 5433)) == 1
    assert ask(clusters, 5433, changed=WORKER) == []


def test_cluster_that_was_here_first(ask: Ask) -> None:
    """It keeps its port, and is not sent back to one that another has."""
    line = "postgresql:port: cluster 17/main has port 5432; "
    keep = "set this key to it in pillar/local.sls, or move it to 5433: "
    assert ask({"17/main": cluster(5432)}, 5433) == [line + keep + MOVE.format(5433)]
    assert ask({"17/main": cluster(5432, runs=False)}, 5433) == [line + keep + MOVE.format(5433)]
    taken = ask({"17/main": cluster(5432, runs=False)}, 5433, taken=True)
    assert taken == [f"{line}which another program has; move it: {MOVE.format(5433)}"]
    assert ask({"17/main": cluster(5433, runs=False)}, 5433, taken=True) == []


def test_version(ask: Ask) -> None:
    """Which cluster is ours is what the release, or pillar, says."""
    clusters = {"15/main": cluster(5440)}
    assert ask(clusters, 5432) == []
    for changed, grains in (({}, {"osfinger": "Debian-12"}), ({"postgresql:version": 15}, {})):
        (fault,) = ask(clusters, 5432, changed=changed, **grains)
        assert fault.startswith("postgresql:port: cluster 15/main has port 5440; set this key")


@pytest.mark.parametrize(
    ("sockets", "reported"), [(["/tmp"], True), (["/tmp", "/run/postgresql"], False), ([""], True)]
)  # noqa: S108
def test_sockets(ask: Ask, sockets: list[str], reported: bool) -> None:
    """A cluster whose socket clients do not find is named, with what to add where."""
    lines = ask({"17/main": cluster(5432, sockets=sockets)}, 5432)
    assert bool(lines) is reported
    assert all("add /run/postgresql to unix_socket_directories in /etc/x/postgresql.conf" in line for line in lines)
