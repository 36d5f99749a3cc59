"""The database."""

import pytest
from testinfra.host import Host

from support.logins import database_login, query
from support.machine import Machine

# Tables and functions of the application's, in the place of what a run reads and calls.
BAIT = """
CREATE FUNCTION bait() RETURNS text LANGUAGE plpgsql AS $bait$
BEGIN
  EXECUTE $$COPY (SELECT 1) TO PROGRAM 'touch /var/lib/postgresql/bitten'$$;
  RETURN '';
EXCEPTION WHEN insufficient_privilege THEN RETURN '';
END $bait$;
CREATE FUNCTION json_build_object(text, name, text, json, text, json) RETURNS json LANGUAGE sql AS
  'SELECT pg_catalog.json_build_object($1, $2, $3, $4, $5, $6) FROM (SELECT bait()) AS bait';
ALTER TABLE auth_user RENAME TO auth_user_kept;
CREATE VIEW auth_user AS SELECT * FROM auth_user_kept WHERE bait() IS NOT NULL;
"""
NO_BAIT = """
DROP VIEW auth_user;
ALTER TABLE auth_user_kept RENAME TO auth_user;
DROP FUNCTION json_build_object(text, name, text, json, text, json);
DROP FUNCTION bait();
"""


def test_package(machine: Machine) -> None:
    """The server is the release's own."""
    version = "15" if machine.spec.image == "debian12" else "17"
    assert machine.run(f"dpkg-query -Wf '${{db:Status-Status}}' postgresql-{version}").ok().stdout == "installed"


def test_config(machine: Machine) -> None:
    """Logins over the network need SCRAM, and the files are the server's alone."""
    path = query(machine, "show hba_file")
    assert machine.run(f"stat -c '%U %a' {path}").stdout.strip() == "postgres 640"
    rules = [line.split() for line in machine.read(path).splitlines() if line.startswith("host")]
    assert rules
    assert all(rule[-1] in ("scram-sha-256", "reject") for rule in rules)


def test_service(machine: Machine) -> None:
    """It runs, and starts on boot."""
    assert machine.is_running("postgresql")
    assert machine.is_enabled("postgresql")


def test_socket(host: Host) -> None:
    """It listens on loopback only."""
    listening = [name for name in host.socket.get_listening_sockets() if name.endswith(":5432")]
    assert "tcp://127.0.0.1:5432" in listening
    assert all("127.0.0.1" in name or "::1" in name for name in listening)


def test_role(machine: Machine) -> None:
    """The role is as the manual creates it, its password stored as SCRAM."""
    assert (
        query(machine, "select rolsuper, rolcreatedb, rolcanlogin from pg_roles where rolname='citestsuper'") == "t|t|t"
    )
    assert query(machine, "select left(rolpassword, 14) from pg_authid where rolname='citestsuper'") == "SCRAM-SHA-256$"


def test_database(machine: Machine) -> None:
    """The database belongs to the role, and has hstore and what names are searched by."""
    assert query(machine, "select pg_get_userbyid(datdba) from pg_database where datname='phage'") == "citestsuper"
    assert query(machine, "select pg_encoding_to_char(encoding) from pg_database where datname='phage'") == "UTF8"
    assert query(machine, "select count(*) from pg_extension where extname in ('hstore', 'pg_trgm')") == "2"


def test_login_works(machine: Machine) -> None:
    """The application's settings open the database."""
    assert database_login(machine).ok().stdout.strip() == "1"


def test_wrong_password_is_refused(machine: Machine) -> None:
    """Another password does not."""
    assert "password authentication failed" in database_login(machine, password="sup3rdup3r").stderr


def test_no_password_is_refused(machine: Machine) -> None:
    """Nor does none."""
    assert database_login(machine, password="").code != 0
    assert machine.run("cd / && psql -XAtc 'select 1' -U citestsuper postgres", user="avuser").code != 0


@pytest.mark.once
def test_functions_in_the_database(machine: Machine) -> None:
    """Who takes Django over waits in vain, in its tables and functions, for a run whose psql is a superuser's."""
    ask = 'su - avuser -c "psql -q -v ON_ERROR_STOP=1 -h /run/postgresql -d phage" <'
    machine.put({"/root/bait.sql": BAIT.encode(), "/root/no-bait.sql": NO_BAIT.encode()})
    machine.run(f"{ask}/root/bait.sql").ok()
    try:
        machine.highstate().clean()
    finally:
        machine.run(f"{ask}/root/no-bait.sql").ok()
    assert machine.run("ls /var/lib/postgresql/bitten").code
