"""Roles, databases and extensions of one PostgreSQL cluster, read with one psql and written with one."""

import base64
import hashlib
import hmac
import os
import pathlib
import pwd
import unicodedata
from collections.abc import Callable
from typing import Any

import programs
from psql import connect, identifier, literal, program
from salt.exceptions import CommandExecutionError

# Whatever the cluster's own are: not every locale goes with UTF-8.
LOCALE = "ENCODING 'UTF8' LC_COLLATE 'C.UTF-8' LC_CTYPE 'C.UTF-8'"
ITERATIONS = 4096  # PostgreSQL's own number
TABLES, LISTEN = pathlib.Path("/proc/net"), "0A"  # proc(5)
# Addresses whose listeners 127.0.0.1 leads to, as the kernel writes them: itself, and all, of IPv4 and of both.
REACHED = {"0100007F", "00000000", "0" * 32, "0000000000000000FFFF00000100007F"}

READ = """
SELECT json_build_object(
  'roles', (SELECT json_object_agg(rolname, json_build_object('login', rolcanlogin, 'createdb', rolcreatedb,
            'superuser', rolsuper, 'expires', isfinite(rolvaliduntil) IS TRUE, 'verifier', rolpassword)) FROM
            pg_authid),
  'databases', (SELECT json_object_agg(datname, pg_get_userbyid(datdba)) FROM pg_database),
  'hba', current_setting('hba_file'),
  'rules', (SELECT json_agg(json_build_object('line', line_number, 'databases', database, 'users', user_name,
            'method', auth_method, 'map', 'map=' || substring(options::text from 'map=([^,}"]+)')) ORDER BY line_number)
            FROM pg_hba_file_rules WHERE type = 'local'));
"""
READ_WITHIN = """
SELECT EXISTS (SELECT FROM pg_database WHERE datname = {literal}) AS present \\gset
\\if :present
{connect}
SELECT json_build_object('database', current_database(),
  'extensions', (SELECT json_agg(extname) FROM pg_extension),
  'owners', (SELECT json_agg(pg_get_userbyid(owner)) FROM (
    SELECT nspowner FROM pg_namespace WHERE nspname = 'public' UNION SELECT relowner FROM pg_class WHERE {relations}
  ) AS owners(owner)));
\\endif
"""
# Tables and what is like them in schema public, but for what an extension brought or what belongs to a column.
RELATIONS = """relnamespace = to_regnamespace('public') AND relkind IN ('r', 'p', 'v', 'm', 'f', 'S') AND NOT EXISTS (
    SELECT FROM pg_depend WHERE objid = pg_class.oid AND deptype IN ('e', 'a', 'i'))"""
OWN_SCHEMA = """
ALTER SCHEMA public OWNER TO {identifier};
DO $owners$
DECLARE relation regclass;
BEGIN
  FOR relation IN SELECT oid FROM pg_class WHERE {relations} LOOP
    EXECUTE format('ALTER TABLE %s OWNER TO %I', relation, {literal});
  END LOOP;
END
$owners$;
"""


def read(databases: list[str], port: int, run: Callable[..., list[Any]]) -> dict[str, Any]:
    """Roles (with flags and password verifier), databases (with owner); of those in `databases` also the extensions,
    and who owns schema public and what is in it.

    They are read with psql.run: Salt gives it the run's own session.
    """
    script = READ
    for name in databases:
        script += READ_WITHIN.format(literal=literal(name), connect=connect(name), relations=RELATIONS)
    cluster, *within = run(script, port)
    for what in ("extensions", "owners"):
        cluster[what] = {item["database"]: item[what] or [] for item in within}
    return cluster


def verifier(password: str, salt: bytes | None = None, iterations: int = ITERATIONS) -> str:
    """`password` as PostgreSQL stores it: a SCRAM-SHA-256 verifier (RFC 5803; pg_authid.rolpassword)."""
    salt = os.urandom(16) if salt is None else salt
    normal = unicodedata.normalize("NFKC", password).encode()
    salted = hashlib.pbkdf2_hmac("sha256", normal, salt, iterations)
    stored = hashlib.sha256(hmac.digest(salted, b"Client Key", "sha256")).digest()
    server = hmac.digest(salted, b"Server Key", "sha256")
    b64 = [base64.b64encode(part).decode() for part in (salt, stored, server)]
    return f"SCRAM-SHA-256${iterations}:{b64[0]}${b64[1]}:{b64[2]}"


def password_matches(password: str, stored: str | None) -> bool:
    """Whether `stored` is a SCRAM verifier of this password; one of md5 is not."""
    try:
        method, parameters, _keys = (stored or "").split("$")
        iterations, salt = parameters.split(":")
    except ValueError:
        return False
    return method == "SCRAM-SHA-256" and verifier(password, base64.b64decode(salt), int(iterations)) == stored


def plan(wanted: dict[str, Any], actual: dict[str, Any]) -> dict[str, Any]:
    """What leads from `actual` to `wanted` (the pillar's shape): `changes`, the `logins` to try, and how to do it.

    A psql script for the `roles`, statements that `create` databases, a script for what is theirs: `owners`,
    extensions, schemas.
    """
    roles, create, owners, changes, logins = "", [], "", {}, []
    for name, role in wanted["roles"].items():
        there = actual["roles"].get(name)
        options = _options(role, there or {})
        if "password" in options and not role.get("peer"):
            logins.append(name)
        if options:
            verb, clauses = "ALTER" if there else "CREATE", " ".join(options.values())
            roles += f"{verb} ROLE {identifier(name)} {clauses};\n"
            changes[f"role {name}"] = "changed: " + ", ".join(options) if there else "added"
    for name, database in wanted["databases"].items():
        owner, there, quoted = database["owner"], actual["databases"].get(name), identifier(name)
        if there is None:
            create.append(f"CREATE DATABASE {quoted} OWNER {identifier(owner)} {LOCALE} TEMPLATE template0;\n")
            changes[f"database {name}"] = "added"
        elif there != owner:
            owners += f"ALTER DATABASE {quoted} OWNER TO {identifier(owner)};\n"
            changes[f"database {name}"] = f"owner {there} to {owner}"
    for name, database in wanted["databases"].items():
        missing = [e for e in database.get("extensions", []) if e not in actual["extensions"].get(name, [])]
        if missing:
            owners += connect(name) + "".join(
                f"CREATE EXTENSION {identifier(item)} SCHEMA public;\n" for item in missing
            )
            changes.update({f"extension {item} in {name}": "added" for item in missing})
        wanted_owner = database.get("schema_owner")
        if wanted_owner and actual["owners"].get(name) != [wanted_owner]:
            names = {"identifier": identifier(wanted_owner), "literal": literal(wanted_owner), "relations": RELATIONS}
            owners += connect(name) + OWN_SCHEMA.format(**names)
            changes[f"schema public of {name}"] = f"owner {wanted_owner}"
    return {"roles": roles, "create": create, "owners": owners, "logins": logins, "changes": changes}


def _options(role: dict[str, Any], there: dict[str, Any]) -> dict[str, str]:
    """What differs between a role of pillar and that of the cluster, each with its clause of ALTER ROLE."""
    flags = {"login": True, "createdb": bool(role.get("createdb")), "superuser": bool(role.get("superuser"))}
    options = {
        flag: ("" if value else "NO") + flag.upper() for flag, value in flags.items() if there.get(flag) != value
    }
    if there.get("expires"):
        options["expiry"] = "VALID UNTIL 'infinity'"
    if role.get("peer"):
        if there.get("verifier"):
            options["password"] = "PASSWORD NULL"  # noqa: S105  a clause
    elif not password_matches(str(role["password"]), there.get("verifier")):
        options["password"] = "PASSWORD " + literal(verifier(str(role["password"])))
    return options


def login_refusal(wanted: dict[str, Any], actual: dict[str, Any]) -> str:
    """Why a role without a password cannot log in as the system's user of its name; nothing where each can.

    The first line of pg_hba.conf that speaks of role and database counts.
    """
    for name, database in wanted["databases"].items():
        for role in dict.fromkeys((database["owner"], database.get("schema_owner", database["owner"]))):
            rules: list[dict[str, Any]] = actual.get("rules") or []
            rule: dict[str, Any] = next((each for each in rules if _concerns(each, name, role)), {})
            well = rule.get("method") == "trust" or (rule.get("method") == "peer" and not rule["map"])
            if wanted["roles"].get(role, {}).get("peer") and actual.get("hba") and not well:
                how = f"line {rule['line']}, {rule['method']} {rule['map'] or ''}".strip() if rule else "no line"
                return (
                    f"{actual['hba']} ({how}) does not let the system's user {role} in as role {role}: add this line to"
                    f" it, before all others, and reload the server: local {name} {role} peer"
                )
    return ""


def _concerns(rule: dict[str, Any], database: str, role: str) -> bool:
    """Whether a line of pg_hba.conf speaks of a role at a database; groups and patterns are not looked at."""
    return bool({"all", database} & {*rule["databases"]}) and bool({"all", role} & {*rule["users"]})


def listeners(port: int) -> set[int]:
    """Users whose processes listen on a TCP port of 127.0.0.1, by their numbers."""
    lines = [line for name in ("tcp", "tcp6") for line in TABLES.joinpath(name).read_text().splitlines()[1:]]
    entries = [line.split() for line in lines]
    wanted = {f"{address}:{port:04X}" for address in REACHED}
    return {int(uid) for _, local, _, state, _, _, _, uid, *_ in entries if state == LISTEN and local in wanted}


def login(role: str, password: str, port: int, database: str = "postgres") -> None:
    """A real login over TCP, as an application makes it; raises CommandExecutionError when it is refused.

    Whoever listens there is not given the password before it is known to be PostgreSQL: libpq sends it in clear to a
    server that asks so, and only newer ones can be set not to (require_auth).
    """
    if strangers := listeners(port) - {pwd.getpwnam("postgres").pw_uid}:
        raise CommandExecutionError(f"port {port} is listened on by user {strangers.pop()}, not by PostgreSQL")

    def escaped(text: str) -> str:
        return text.replace("\\", "\\\\").replace(":", "\\:")

    # A file in memory goes with its process, however that ends.
    with os.fdopen(os.memfd_create("pgpass"), "w") as file:
        os.fchmod(file.fileno(), 0o600)
        file.write(f"127.0.0.1:{port}:*:{escaped(role)}:{escaped(password)}\n")
        file.flush()
        where = ["-h", "127.0.0.1", "-p", str(port), "-U", role, "-d", database]
        done = programs.run(
            [program() or "psql", "-XqAtw", *where, "-c", ""],
            env={"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", "PGPASSFILE": f"/proc/self/fd/{file.fileno()}"},
            pass_fds=[file.fileno()],
        )
    if done.returncode:
        reason = programs.reason(done.stderr, done.stdout)
        see = "pg_hba.conf" if listeners(port) else "listen_addresses in postgresql.conf, which lacks localhost"
        raise CommandExecutionError(f"login of role {role} on port {port} refused (see {see}): {reason}")
