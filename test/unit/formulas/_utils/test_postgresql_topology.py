"""Roles, databases and extensions: the verifier, and the scripts that lead from what is to what should be."""

import base64
import hashlib
import hmac
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from salt.exceptions import CommandExecutionError

import clusters
from clusters import PASSWORD

# The exchange of RFC 7677, section 3: user "user", password "pencil".
SALT = base64.b64decode("W22ZaJ0SNY7soEsUEjb6gQ==")
NONCE = "rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"
MESSAGE = f"n=user,r=rOprNGfwEbeRWgbNEkqO,r={NONCE},s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096,c=biws,r={NONCE}".encode()
PROOF = base64.b64decode("dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=")
SIGNATURE = base64.b64decode("6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=")


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


def statements(plan: dict[str, Any]) -> list[str]:
    """The scripts' lines, without what keeps them out of the server's log."""
    script = plan["roles"] + "".join(plan["create"]) + plan["owners"]
    return [line for line in script.splitlines() if not line.startswith("SET log_")]


def test_verifier_proves_the_rfcs_exchange(topology: Any) -> None:
    """The server part of RFC 7677's example login succeeds with our verifier."""
    method, parameters, keys = topology.verifier("pencil", SALT, 4096).split("$")
    stored, server = (base64.b64decode(key) for key in keys.split(":"))
    assert (method, parameters) == ("SCRAM-SHA-256", "4096:W22ZaJ0SNY7soEsUEjb6gQ==")
    assert hmac.digest(server, MESSAGE, "sha256") == SIGNATURE
    client = bytes(a ^ b for a, b in zip(PROOF, hmac.digest(stored, MESSAGE, "sha256"), strict=True))
    assert hashlib.sha256(client).digest() == stored


def test_verifier_matches(topology: Any) -> None:
    """A salted verifier matches its password, whatever its salt and its number of rounds, and no other."""
    assert topology.verifier("pencil") != topology.verifier("pencil")
    for stored in (topology.verifier("pencil"), topology.verifier("pencil", b"salt", 5000)):
        assert topology.password_matches("pencil", stored)
        assert not topology.password_matches("Pencil", stored)


def test_verifier_normalises(topology: Any) -> None:
    """Composed or not, it is the same password, and the composed form is what is hashed (RFC 4013)."""
    salted = hashlib.pbkdf2_hmac("sha256", b"zw\xc3\xb6lf IX", SALT, 4096)
    key = base64.b64encode(hmac.digest(salted, b"Server Key", "sha256")).decode()
    for password in ("zw\u00f6lf IX", "zwo\u0308lf IX", "zw\u00f6lf\u00a0\u2168"):
        assert topology.verifier(password, SALT).endswith(f":{key}")


@pytest.mark.parametrize(
    "stored",
    [
        None,
        "",
        "pencil",
        "md5" + hashlib.md5(b"penciluser").hexdigest(),
        "SCRAM-SHA-256$4096",
        "SCRAM-SHA-1$1:eA==$a:b",
    ],
)
def test_nothing_else_matches(topology: Any, stored: str | None) -> None:
    """Neither no password nor a plain, MD5 or damaged one counts as the right one."""
    assert not topology.password_matches("pencil", stored)


def test_converged(topology: Any, wanted: dict[str, Any], converged: dict[str, Any]) -> None:
    """Nothing differs, nothing is done; what belongs to others is nothing."""
    nothing = {"roles": "", "create": [], "owners": "", "logins": [], "changes": {}}
    assert topology.plan(wanted, converged) == nothing


def test_empty_cluster(topology: Any, wanted: dict[str, Any]) -> None:
    """Role, then database, then extension in it; the password as a verifier only, and tried afterwards."""
    plan = topology.plan(wanted, {"roles": {}, "databases": {}, "extensions": {}, "owners": {}})
    role, database, connect, extension = statements(plan)
    assert ([role + "\n"], [database + "\n"]) == ([plan["roles"]], plan["create"])
    assert role.startswith('CREATE ROLE "keeper" LOGIN CREATEDB NOSUPERUSER PASSWORD E\'SCRAM-SHA-256$4096:')
    assert database.startswith('CREATE DATABASE "shop" OWNER "keeper" ')
    # A locale of LATIN1, the cluster's own, does not go with UTF-8.
    assert database.endswith("ENCODING 'UTF8' LC_COLLATE 'C.UTF-8' LC_CTYPE 'C.UTF-8' TEMPLATE template0;")
    assert (connect, extension) == (
        "\\connect -reuse-previous=on \"dbname='shop'\"",
        'CREATE EXTENSION "hstore" SCHEMA public;',
    )
    assert plan["logins"] == ["keeper"]
    assert plan["changes"] == {"role keeper": "added", "database shop": "added", "extension hstore in shop": "added"}
    assert PASSWORD not in str(plan)


@pytest.mark.parametrize(
    ("there", "options", "changed"),
    [
        ({"login": False}, "LOGIN", "login"),
        ({"createdb": False}, "CREATEDB", "createdb"),
        ({"superuser": True}, "NOSUPERUSER", "superuser"),
        ({"superuser": True, "login": False}, "LOGIN NOSUPERUSER", "login, superuser"),
        ({"expires": True}, "VALID UNTIL 'infinity'", "expiry"),
        ({"createdb": False, "expires": True}, "CREATEDB VALID UNTIL 'infinity'", "createdb, expiry"),
    ],
)
def test_flags_only(
    topology: Any,
    wanted: dict[str, Any],
    converged: dict[str, Any],
    there: dict[str, bool],
    options: str,
    changed: str,
) -> None:
    """A flag that differs is set, both ways, and the password is left alone."""
    converged["roles"]["keeper"] |= there
    plan = topology.plan(wanted, converged)
    assert statements(plan) == [f'ALTER ROLE "keeper" {options};']
    assert plan["changes"] == {"role keeper": f"changed: {changed}"}
    assert plan["logins"] == []


@pytest.mark.parametrize("stored", [None, "md5" + "0" * 32, "SCRAM-SHA-256$4096:c2FsdA==$eA==:eQ=="])
def test_password_only(topology: Any, wanted: dict[str, Any], converged: dict[str, Any], stored: str | None) -> None:
    """A password that is not stored as SCRAM, or is another, is set and tried."""
    converged["roles"]["keeper"]["verifier"] = stored
    plan = topology.plan(wanted, converged)
    (statement,) = statements(plan)
    assert statement.startswith('ALTER ROLE "keeper" PASSWORD E\'SCRAM-SHA-256$')
    assert topology.password_matches(PASSWORD, statement.split("'")[1])
    assert plan["logins"] == ["keeper"]
    assert plan["changes"] == {"role keeper": "changed: password"}


def test_peer(topology: Any, wanted: dict[str, Any], converged: dict[str, Any]) -> None:
    """A role that logs in as the system's user of its name has no password, and none to be tried."""
    wanted["roles"] = {"seller": {"peer": True}}
    plan = topology.plan(wanted, converged)
    assert statements(plan) == ['CREATE ROLE "seller" LOGIN NOCREATEDB NOSUPERUSER;']
    converged["roles"]["seller"] = converged["roles"]["keeper"] | {"createdb": False}
    plan = topology.plan(wanted, converged)
    assert statements(plan) == ['ALTER ROLE "seller" PASSWORD NULL;']
    assert plan["logins"] == []


@pytest.mark.parametrize("there", [None, [], ["pg_database_owner"], ["keeper", "seller"]])
def test_schema_owner(topology: Any, wanted: dict[str, Any], converged: dict[str, Any], there: Any) -> None:
    """Schema public and what is in it go to the role that pillar says, whoever has had them."""
    wanted["databases"]["shop"]["schema_owner"] = "seller"
    if there is not None:
        converged["owners"]["shop"] = there
    plan = topology.plan(wanted, converged)
    assert 'ALTER SCHEMA public OWNER TO "seller";' in statements(plan)
    assert plan["changes"] == {"schema public of shop": "owner seller"}
    converged["owners"]["shop"] = ["seller"]
    assert topology.plan(wanted, converged)["changes"] == {}


@pytest.mark.parametrize(
    ("address", "uid", "refused"),
    [
        ("0100007F", 0, True),
        ("00000000", 0, True),
        ("0100007F", 107, False),
        ("010200C0", 0, False),  # a container that publishes the port on another address
    ],
)
def test_stranger_on_the_port(
    topology: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, address: str, uid: int, refused: bool
) -> None:
    """A password is not sent to a port on which another user listens."""
    line = f"  0: {address}:1538 00000000:0000 0A 00000000:00000000 00:00000000 00000000 {uid} 0 1 1 0 100 0 0 10 0\n"
    (tmp_path / "tcp").write_text(f"head\n{line}")
    (tmp_path / "tcp6").write_text("head\n")
    monkeypatch.setattr(topology, "TABLES", tmp_path)
    monkeypatch.setattr(topology.pwd, "getpwnam", lambda _: SimpleNamespace(pw_uid=107))
    asked: list[Any] = []

    def run(command: list[str], **_: Any) -> SimpleNamespace:
        asked.append(command)
        return SimpleNamespace(returncode=0)

    monkeypatch.setattr(topology.programs, "run", run)
    with pytest.raises(CommandExecutionError, match="port 5432 is listened on by user 0") if refused else nullcontext():
        topology.login("keeper", PASSWORD, 5432)
    assert bool(asked) is not refused


@pytest.mark.parametrize(("listens", "see"), [({107}, "pg_hba.conf"), (set(), "listen_addresses in postgresql.conf")])
def test_login_is_refused(topology: Any, monkeypatch: pytest.MonkeyPatch, listens: set[int], see: str) -> None:
    """It is said where to look: at who is let in, or at where the server listens."""
    monkeypatch.setattr(topology, "listeners", lambda _port: listens)
    monkeypatch.setattr(topology.pwd, "getpwnam", lambda _: SimpleNamespace(pw_uid=107))
    done = SimpleNamespace(returncode=2, stderr="FATAL: no", stdout="")
    monkeypatch.setattr(topology.programs, "run", lambda *_, **__: done)
    with pytest.raises(CommandExecutionError, match=rf"port 5432 refused \(see {see}.*\): FATAL: no"):
        topology.login("keeper", PASSWORD, 5432)


def test_owner(topology: Any, wanted: dict[str, Any], converged: dict[str, Any]) -> None:
    """A database of another owner is given to ours."""
    converged["databases"]["shop"] = "postgres"
    plan = topology.plan(wanted, converged)
    assert statements(plan) == ['ALTER DATABASE "shop" OWNER TO "keeper";']
    assert plan["changes"] == {"database shop": "owner postgres to keeper"}


def test_several_databases(topology: Any, wanted: dict[str, Any], converged: dict[str, Any]) -> None:
    """Databases are made by one statement each, of which none needs another: roles come before, owners after."""
    wanted["roles"]["other"] = {"password": PASSWORD}
    for name in ("first", "second"):
        wanted["databases"][name] = {"owner": "other"}
    converged["databases"]["shop"] = "postgres"
    plan = topology.plan(wanted, converged)
    assert plan["roles"].startswith('CREATE ROLE "other" ')
    assert [line.split(" ENCODING ")[0] for line in plan["create"]] == [
        f'CREATE DATABASE "{name}" OWNER "other"' for name in ("first", "second")
    ]
    assert plan["owners"] == 'ALTER DATABASE "shop" OWNER TO "keeper";\n'


def test_extension(topology: Any, wanted: dict[str, Any], converged: dict[str, Any]) -> None:
    """Only what is missing is made, in its own database."""
    wanted["databases"]["shop"]["extensions"] = ["hstore", "citext"]
    plan = topology.plan(wanted, converged)
    assert statements(plan) == [
        "\\connect -reuse-previous=on \"dbname='shop'\"",
        'CREATE EXTENSION "citext" SCHEMA public;',
    ]
    assert plan["changes"] == {"extension citext in shop": "added"}


def test_hostile_names(topology: Any) -> None:
    """A quote in a name ends nothing."""
    role, database, extension = 'a"; DROP ROLE b; --', "d\"'e", 'x";'
    wanted = {
        "roles": {role: {"password": PASSWORD}},
        "databases": {database: {"owner": role, "extensions": [extension]}},
    }
    lines = statements(topology.plan(wanted, {"roles": {}, "databases": {}, "extensions": {}, "owners": {}}))
    assert lines[0].startswith('CREATE ROLE "a""; DROP ROLE b; --" LOGIN ')
    assert lines[1].startswith('CREATE DATABASE "d""\'e" OWNER "a""; DROP ROLE b; --" ')
    assert lines[2:] == ['\\connect -reuse-previous=on "dbname=\'d""\\\'e\'"', 'CREATE EXTENSION "x"";" SCHEMA public;']


def test_read_asks_once(topology: Any) -> None:
    """One psql for the cluster and all its databases; a database that is not there has no extensions."""
    scripts = []

    def run(script: str, _port: int) -> list[Any]:
        scripts.append(script)
        within = {"database": "it's {x}", "extensions": ["hstore"], "owners": None}
        return [{"roles": {}, "databases": {}}, within]

    found = topology.read(["it's {x}", "none"], 5432, run)
    assert (found["extensions"], found["owners"]) == ({"it's {x}": ["hstore"]}, {"it's {x}": []})
    (script,) = scripts
    assert "datname = E'it''s {x}'" in script
    assert "\\connect -reuse-previous=on \"dbname='it\\'s {x}'\"\n" in script
    assert "'expires', isfinite(rolvaliduntil) IS TRUE" in script


def rule(databases: str, users: str, method: str, mapped: str | None = None) -> dict[str, Any]:
    """A line of pg_hba.conf, as the server reads it."""
    return {"line": 7, "databases": databases.split(","), "users": users.split(","), "method": method, "map": mapped}


@pytest.mark.parametrize(
    ("rules", "how"),
    [
        ([rule("all", "all", "peer")], ""),
        ([rule("all", "all", "trust")], ""),
        ([rule("all", "postgres", "md5"), rule("shop,x", "seller", "peer"), rule("all", "all", "reject")], ""),
        ([rule("other", "all", "reject"), rule("all", "all", "peer")], ""),
        ([rule("all", "all", "peer", "map=staff")], "line 7, peer map=staff"),
        ([rule("all", "all", "scram-sha-256")], "line 7, scram-sha-256"),
        ([rule("all", "all", "md5"), rule("all", "seller", "peer")], "line 7, md5"),
        ([], "no line"),
        (None, "no line"),
    ],
)
def test_login_refusal(topology: Any, rules: list[dict[str, Any]] | None, how: str) -> None:
    """The first line of pg_hba.conf that speaks of a role decides whether the system's user of its name comes in."""
    wanted: dict[str, Any] = {"roles": {"seller": {"peer": True}}}
    wanted["databases"] = {"shop": {"owner": "keeper", "schema_owner": "seller"}}
    said = topology.login_refusal(wanted, {"hba": "/etc/pg_hba.conf", "rules": rules})
    assert said.startswith(f"/etc/pg_hba.conf ({how}) does not let the system's user seller in") if how else said == ""
    assert said.endswith("local shop seller peer" if how else "")
    wanted["roles"]["seller"] = {"password": "x"}
    assert topology.login_refusal(wanted, {"hba": "/etc/pg_hba.conf", "rules": rules}) == ""
