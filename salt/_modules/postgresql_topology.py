"""Roles, databases and extensions of one PostgreSQL cluster, read with one psql and written with one."""

import base64
import hashlib
import hmac
import os
import subprocess
import unicodedata
from collections.abc import Callable
from typing import Any

from salt.exceptions import CommandExecutionError

# Set by Salt's loader.
__grains__: dict[str, Any]
__salt__: dict[str, Callable[..., Any]]
__utils__: dict[str, Callable[..., Any]]

ITERATIONS = 4096  # PostgreSQL's own number

READ = """
SELECT json_build_object(
  'roles', (SELECT json_object_agg(rolname, json_build_object('login', rolcanlogin, 'createdb', rolcreatedb,
            'superuser', rolsuper, 'expires', isfinite(rolvaliduntil) IS TRUE, 'verifier', rolpassword)) FROM pg_authid),
  'databases', (SELECT json_object_agg(datname, pg_get_userbyid(datdba)) FROM pg_database));
"""
READ_EXTENSIONS = """
SELECT EXISTS (SELECT FROM pg_database WHERE datname = {literal}) AS present \\gset
\\if :present
{connect}
SELECT json_build_object('database', current_database(), 'extensions', (SELECT json_agg(extname) FROM pg_extension));
\\endif
"""


# The release's own version, by name: where another archive is configured, `postgresql` alone would follow its newest.
VERSIONS = {"Debian-13": "17", "Debian-12": "15", "Ubuntu-24.04": "16"}


def version() -> str:
    """Version of the cluster `<version>/main`: pillar `postgresql:version`, or the release's own."""
    return str(__salt__["pillar.get"]("postgresql:version", "", unmask=True) or VERSIONS[__grains__["osfinger"]])


def installed() -> bool:
    """Whether there is a psql to talk with; False on a bare host."""
    return __utils__["psql.program"]() is not None


def read(databases: list[str], port: int) -> dict[str, Any]:
    """Roles (with flags and password verifier), databases (with owner) and the extensions of those in `databases`."""
    script = READ
    for name in databases:
        script += READ_EXTENSIONS.format(
            literal=__utils__["psql.literal"](name), connect=__utils__["psql.connect"](name)
        )
    cluster, *extended = __utils__["psql.run"](script, port)
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

    A psql script for the `roles`, statements that `create` databases, a script for what is theirs: `owners`, extensions.
    """
    literal, identifier, connect = (__utils__[f"psql.{name}"] for name in ("literal", "identifier", "connect"))
    roles, create, owners, changes, logins = "", [], "", {}, []
    for name, role in wanted["roles"].items():
        there = actual["roles"].get(name)
        options, different = [], []
        for flag, value in (
            ("login", True),
            ("createdb", bool(role.get("createdb"))),
            ("superuser", bool(role.get("superuser"))),
        ):
            if (there or {}).get(flag) != value:
                options.append(("" if value else "NO") + flag.upper())
                different.append(flag)
        if there and there["expires"]:
            options.append("VALID UNTIL 'infinity'")
            different.append("expiry")
        if not password_matches(str(role["password"]), (there or {}).get("verifier")):
            options.append("PASSWORD " + literal(verifier(str(role["password"]))))
            different.append("password")
            logins.append(name)
        if different:
            roles += f"{'ALTER' if there else 'CREATE'} ROLE {identifier(name)} {' '.join(options)};\n"
            changes[f"role {name}"] = "changed: " + ", ".join(different) if there else "added"

    for name, database in wanted["databases"].items():
        owner = database["owner"]
        there = actual["databases"].get(name)
        if there is None:
            create.append(
                f"CREATE DATABASE {identifier(name)} OWNER {identifier(owner)} ENCODING 'UTF8' TEMPLATE template0;\n"
            )
            changes[f"database {name}"] = "added"
        elif there != owner:
            owners += f"ALTER DATABASE {identifier(name)} OWNER TO {identifier(owner)};\n"
            changes[f"database {name}"] = f"owner {there} to {owner}"

    for name, database in wanted["databases"].items():
        missing = [e for e in database.get("extensions", []) if e not in actual["extensions"].get(name, [])]
        if missing:
            owners += connect(name) + "".join(f"CREATE EXTENSION {identifier(item)};\n" for item in missing)
            changes.update({f"extension {item} in {name}": "added" for item in missing})
    return {"roles": roles, "create": create, "owners": owners, "logins": logins, "changes": changes}


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
                __utils__["psql.program"](),
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
