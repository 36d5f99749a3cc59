"""Roles, databases and extensions of a cluster: what a run changes, and what a preview says of it."""

from collections.abc import Callable
from typing import Any

import pytest
from salt.exceptions import CommandExecutionError

import clusters
from clusters import PASSWORD


@pytest.fixture
def topology(load: Callable[..., Any]) -> Any:
    """The execution module, with the real quoting."""
    return load("_utils/postgresql_topology")


@pytest.fixture
def wanted() -> dict[str, Any]:
    """Pillar of one role and one database."""
    return clusters.wanted()


@pytest.fixture
def converged(topology: Any) -> dict[str, Any]:
    """What such a cluster says, with things of somebody else's in it."""
    return clusters.converged(topology.verifier(PASSWORD))


class Cluster:
    """Stands for the psql of the execution module."""

    def __init__(self, topology: Any, pillar: dict[str, Any], actual: dict[str, Any] | str | None) -> None:
        self.actual: Any = actual
        self.did: list[Any] = []
        self.asked: list[Any] = []
        self.fails = ""
        self.salt = {
            "settings.get": lambda _formula, unmask: pillar,
        }
        self.utils = {
            "postgresql_topology.read": self.read,
            "postgresql_topology.plan": topology.plan,
            "postgresql_topology.login_refusal": topology.login_refusal,
            "postgresql_topology.login": lambda role, password, port: self.did.append((role, password, port)),
            "psql.program": lambda: None if actual is None else "/usr/bin/psql",
            "psql.run": lambda script, _port: self.run("one by one", script.splitlines()),
            "psql.run_together": lambda statements, _port: self.run("together", statements),
        }

    def run(self, how: str, statements: list[str]) -> None:
        """Notes the first two words of each statement."""
        self.did += [(how, " ".join(line.split()[:2])) for line in statements if not line.startswith("SET log_")]
        if how == self.fails:
            raise CommandExecutionError("PostgreSQL on port 5432: disk full")

    def read(self, databases: list[str], _port: int, _run: Any) -> dict[str, Any]:
        """What there is; a text is the reason why no one answers."""
        self.asked += databases
        if isinstance(self.actual, str):
            raise CommandExecutionError(self.actual)
        return self.actual

    def managed(self, load: Callable[..., Any], test: bool) -> dict[str, Any]:
        """The state's result."""
        return load(
            "_states/postgresql_topology", __salt__=self.salt, __utils__=self.utils, __opts__={"test": test}
        ).managed("postgresql")


def test_state_previews_a_bare_host(load: Callable[..., Any], topology: Any, wanted: dict[str, Any]) -> None:
    """Where there is no cluster yet, a preview names all that comes."""
    cluster = Cluster(topology, wanted, None)
    result = cluster.managed(load, test=True)
    assert result["result"] is None
    assert list(result["changes"]) == ["role keeper", "database shop", "extension hstore in shop"]
    assert cluster.did == []
    assert PASSWORD not in str(result)


@pytest.mark.parametrize("test", [True, False])
def test_state_sets_and_proves_a_password(
    load: Callable[..., Any], topology: Any, wanted: dict[str, Any], converged: dict[str, Any], test: bool
) -> None:
    """A new password is tried with a login; a preview only says so; neither shows it."""
    converged["roles"]["keeper"]["verifier"] = None
    cluster = Cluster(topology, wanted, converged)
    result = cluster.managed(load, test)
    assert result["result"] is (None if test else True)
    assert result["changes"] == {"role keeper": "changed: password"}
    assert cluster.did == ([] if test else [("one by one", "ALTER ROLE"), ("keeper", PASSWORD, 5432)])
    assert PASSWORD not in str(result)


@pytest.mark.parametrize("fails", ["", "one by one", "together"])
def test_state_of_an_empty_cluster(load: Callable[..., Any], topology: Any, wanted: dict[str, Any], fails: str) -> None:
    """Owners come before their databases, which are made together, and extensions after; a failure ends it there."""
    wanted["databases"]["plain"] = {"owner": "keeper"}
    cluster = Cluster(topology, wanted, {"roles": {}, "databases": {}, "extensions": {}, "owners": {}})
    cluster.fails = fails
    result = cluster.managed(load, test=False)
    steps: list[tuple[Any, ...]] = [
        ("one by one", "CREATE ROLE"),
        ("together", "CREATE DATABASE"),
        ("together", "CREATE DATABASE"),
    ]
    steps += [
        ("one by one", "\\connect -reuse-previous=on"),
        ("one by one", "CREATE EXTENSION"),
        ("keeper", PASSWORD, 5432),
    ]
    assert cluster.did == steps[: {"": 6, "one by one": 1, "together": 3}[fails]]
    assert cluster.asked == ["shop"]  # where no extension is wanted none is looked for
    assert result["result"] is not bool(fails)
    assert not fails or (result["comment"] == "PostgreSQL on port 5432: disk full" and result["changes"] == {})


def test_state_clean(
    load: Callable[..., Any], topology: Any, wanted: dict[str, Any], converged: dict[str, Any]
) -> None:
    """A converged cluster is only read."""
    cluster = Cluster(topology, wanted, converged)
    result = cluster.managed(load, test=False)
    assert (result["result"], result["changes"], cluster.did) == (True, {}, [])


@pytest.mark.parametrize("test", [True, False])
def test_state_stopped_cluster(load: Callable[..., Any], topology: Any, wanted: dict[str, Any], test: bool) -> None:
    """A cluster that does not answer fails the run; the preview says it is to be started."""
    result = Cluster(topology, wanted, "PostgreSQL on port 5432: refused").managed(load, test)
    assert result["result"] is (None if test else False)
    assert bool(result["changes"]) == test
    assert "refused" in result["comment"]


@pytest.mark.parametrize("test", [True, False])
def test_asked(load: Callable[..., Any], test: bool) -> None:
    """A connection is begun in a preview, too, and is no change."""
    begun: list[Any] = []
    state = load("_states/postgresql_topology", __utils__={"psql.begin": begun.append}, __opts__={"test": test})
    result = state.asked("postgresql", port=5433)
    assert (result["result"], result["changes"], begun) == (True, {}, [5433])


@pytest.mark.parametrize("test", [True, False])
def test_state_names_the_line_of_pg_hba(
    load: Callable[..., Any], topology: Any, wanted: dict[str, Any], converged: dict[str, Any], test: bool
) -> None:
    """Where a role that logs in without a password cannot, nothing is changed, and the line to add is said."""
    wanted["roles"]["keeper"] = {"peer": True}
    rule = {"line": 90, "databases": ["all"], "users": ["all"], "method": "scram-sha-256", "map": None}
    cluster = Cluster(topology, wanted, converged | {"hba": "/etc/x/pg_hba.conf", "rules": [rule]})
    result = cluster.managed(load, test)
    assert (result["result"], cluster.did) == (False, [])
    assert result["comment"].startswith(
        "/etc/x/pg_hba.conf (line 90, scram-sha-256) does not let the system's user keeper"
    )
    assert result["comment"].endswith("reload the server: local shop keeper peer")
