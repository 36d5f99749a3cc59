"""Roles, databases and extensions of one PostgreSQL cluster, read with one psql and written with one."""

import base64
import hashlib
import hmac
import os
import subprocess
import unicodedata
from collections.abc import Callable
from typing import Any

from psql import connect, identifier, literal, program
from salt.exceptions import CommandExecutionError

ITERATIONS = 4096  # PostgreSQL's own number

READ = """
SELECT json_build_object(
  'roles', (SELECT json_object_agg(rolname, json_build_object('login', rolcanlogin, 'createdb', rolcreatedb,
            'superuser', rolsuper, 'expires', isfinite(rolvaliduntil) IS TRUE, 'verifier', rolpassword)) FROM
            pg_authid),
  'databases', (SELECT json_object_agg(datname, pg_get_userbyid(datdba)) FROM pg_database));
"""
READ_EXTENSIONS = """
SELECT EXISTS (SELECT FROM pg_database WHERE datname = {literal}) AS present \\gset
\\if :present
{connect}
SELECT json_build_object('database', current_database(), 'extensions', (SELECT json_agg(extname) FROM pg_extension));
\\endif
"""


def read(databases: list[str], port: int, run: Callable[..., list[Any]]) -> dict[str, Any]:
    """Roles (with flags and password verifier), databases (with owner), and extensions of those in `databases`.

    They are read with psql.run: Salt gives it the run's own session.
    """
    script = READ
    for name in databases:
        script += READ_EXTENSIONS.format(literal=literal(name), connect=connect(name))
    cluster, *extended = run(script, port)
    cluster["extensions"] = {item["database"]: item["extensions"] for item in extended}
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
    extensions.
    """
    roles, create, owners, changes, logins = "", [], "", {}, []
    for name, role in wanted["roles"].items():
        there = actual["roles"].get(name)
        options = _options(role, there or {})
        if "password" in options:
            logins.append(name)
        if options:
            verb, clauses = "ALTER" if there else "CREATE", " ".join(options.values())
            roles += f"{verb} ROLE {identifier(name)} {clauses};\n"
            changes[f"role {name}"] = "changed: " + ", ".join(options) if there else "added"
    for name, database in wanted["databases"].items():
        owner, there, quoted = database["owner"], actual["databases"].get(name), identifier(name)
        if there is None:
            create.append(f"CREATE DATABASE {quoted} OWNER {identifier(owner)} ENCODING 'UTF8' TEMPLATE template0;\n")
            changes[f"database {name}"] = "added"
        elif there != owner:
            owners += f"ALTER DATABASE {quoted} OWNER TO {identifier(owner)};\n"
            changes[f"database {name}"] = f"owner {there} to {owner}"
    for name, database in wanted["databases"].items():
        missing = [e for e in database.get("extensions", []) if e not in actual["extensions"].get(name, [])]
        if missing:
            owners += connect(name) + "".join(f"CREATE EXTENSION {identifier(item)};\n" for item in missing)
            changes.update({f"extension {item} in {name}": "added" for item in missing})
    return {"roles": roles, "create": create, "owners": owners, "logins": logins, "changes": changes}


def _options(role: dict[str, Any], there: dict[str, Any]) -> dict[str, str]:
    """What differs between a role of pillar and that of the cluster, each with its clause of ALTER ROLE."""
    flags = {"login": True, "createdb": bool(role.get("createdb")), "superuser": bool(role.get("superuser"))}
    options = {
        flag: ("" if value else "NO") + flag.upper() for flag, value in flags.items() if there.get(flag) != value
    }
    if there.get("expires"):
        options["expiry"] = "VALID UNTIL 'infinity'"
    if not password_matches(str(role["password"]), there.get("verifier")):
        options["password"] = "PASSWORD " + literal(verifier(str(role["password"])))
    return options


def login(role: str, password: str, port: int, database: str = "postgres") -> None:
    """A real login over TCP, as an application makes it; raises CommandExecutionError when it is refused."""

    def escaped(text: str) -> str:
        return text.replace("\\", "\\\\").replace(":", "\\:")

    # A file in memory goes with its process, however that ends.
    with os.fdopen(os.memfd_create("pgpass"), "w") as file:
        os.fchmod(file.fileno(), 0o600)
        file.write(f"127.0.0.1:{port}:*:{escaped(role)}:{escaped(password)}\n")
        file.flush()
        done = subprocess.run(
            [
                program() or "psql",
                "-XqAtw",
                "-h",
                "127.0.0.1",
                "-p",
                str(port),
                "-U",
                role,
                "-d",
                database,
                "-c",
                "",
            ],
            env={"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", "PGPASSFILE": f"/proc/self/fd/{file.fileno()}"},
            pass_fds=[file.fileno()],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
        )
    if done.returncode:
        reason = " ".join(done.stderr.split())
        raise CommandExecutionError(f"login of role {role} on port {port} refused (see pg_hba.conf): {reason}")
