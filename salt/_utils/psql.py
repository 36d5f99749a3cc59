"""One psql for many statements: a script on standard input, as user postgres through the local socket."""

import json
import pathlib
import subprocess
from typing import Any

from salt.exceptions import CommandExecutionError

# Statements may carry password verifiers: keep them out of the server's log.
QUIET = "SET log_statement = 'none'; SET log_min_error_statement = 'panic'; SET log_min_duration_statement = -1;\n"


def program() -> str | None:
    """Path of the newest psql, past Debian's Perl wrapper; None where there is none."""
    found = sorted(pathlib.Path("/usr/lib/postgresql").glob("*/bin/psql"), key=lambda path: float(path.parts[-3]))
    return str(found[-1]) if found else None


def run(script: str, port: int, database: str = "postgres", timeout: int = 60) -> list[Any]:
    """Run `script`; every line it prints is JSON, and the list of them is returned.

    Raises CommandExecutionError with the server's message, which never holds a statement.
    """
    try:
        done = subprocess.run(
            [program() or "psql", "-XqAt", "-v", "ON_ERROR_STOP=1", "-v", "VERBOSITY=terse", "-p", str(port), "-d", database],
            input=QUIET + script,
            user="postgres",
            group="postgres",
            extra_groups=[],
            cwd="/",
            env={"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8"},
            capture_output=True,
            text=True,
            timeout=timeout,
        )
    except subprocess.TimeoutExpired:
        raise CommandExecutionError(f"PostgreSQL on port {port} gave no answer in {timeout} s") from None
    if done.returncode:
        raise CommandExecutionError(f"PostgreSQL on port {port}: {' '.join(done.stderr.split())}")
    return [json.loads(line) for line in done.stdout.splitlines() if line]


def literal(value: str) -> str:
    """`value` as an SQL string constant."""
    return "E'" + value.replace("\\", "\\\\").replace("'", "''") + "'"


def identifier(value: str) -> str:
    """`value` as an SQL identifier."""
    return '"' + value.replace('"', '""') + '"'


def connect(database: str) -> str:
    """The psql command that goes on in another database; a backslash command has its own quoting."""
    value = database.replace("\\", "\\\\").replace("'", "\\'")
    return "\\connect -reuse-previous=on " + identifier(f"dbname='{value}'") + "\n" + QUIET
