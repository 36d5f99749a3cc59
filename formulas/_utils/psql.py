"""One psql for a whole run: scripts on its standard input, as user postgres through the local socket."""

import atexit
import contextlib
import json
import os
import pathlib
import re
import select
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import IO, Any, cast

import programs
from salt.exceptions import CommandExecutionError

# Set by Salt's loader.
__context__: dict[str, Any]

SESSION = "psql.session.{}"  # key in __context__, by port
# Statements may carry password verifiers: keep them out of the server's log. What schema public has of functions is
# a database's owner's to make, and would run as the superuser.
QUIET = (
    "SET log_statement = 'none'; SET log_min_error_statement = 'panic'; SET log_min_duration_statement = -1;"
    " SET search_path = pg_catalog;\n"
)
# What libpq says where pg_hba.conf does not let the system's user in.
REFUSED = re.compile("authentication failed|no password supplied|pg_hba.conf")
ADVICE = (
    "; pg_hba.conf does not let the system's user {0} in: add this line to it, before all others, and reload the"
    " server: local all {0} peer"
)


def program() -> str | None:
    """Path of the newest psql, past Debian's Perl wrapper; None where there is none."""
    found = sorted(pathlib.Path("/usr/lib/postgresql").glob("*/bin/psql"), key=lambda path: float(path.parts[-3]))
    return str(found[-1]) if found else None


def run(script: str, port: int, database: str = "postgres", timeout: int = 60) -> list[Any]:
    """Run `script`; every line it prints is JSON, and the list of them is returned.

    Raises CommandExecutionError with the server's message, which never holds a statement.
    """
    session = __context__.get(SESSION.format(port))
    # A server that was restarted ends the sessions it had.
    if not (session and session.answers(QUIET if session.database == database else connect(database))):
        session = __context__[SESSION.format(port)] = Session(port, database)
    session.database = "" if "\\connect" in script else database
    return [json.loads(line) for line in session.run(QUIET + script, timeout)]


def run_as(user: str, script: str, port: int, database: str) -> list[Any]:
    """`run` as a role that the system's user of its name has, in a session of its own.

    For tables that belong to that role: it may put views in their place, whose functions would run as the superuser.
    """
    session = Session(port, database, user)
    try:
        return [json.loads(line) for line in session.run(script, timeout=60)]
    finally:
        session.end()


def begin(port: int) -> None:
    """Have a session ready for the first `run`, where there is a psql."""
    if program():
        with contextlib.suppress(CommandExecutionError):
            __context__[SESSION.format(port)] = Session(port, "postgres")


def run_together(statements: list[str], port: int, timeout: int = 600) -> None:
    """Run statements of which none needs another, in as many sessions as there are processors."""
    sessions = [Session(port, "postgres") for _ in range(min(len(statements), os.cpu_count() or 1))]
    shares = [QUIET + "".join(statements[number :: len(sessions)]) for number in range(len(sessions))]
    try:
        with ThreadPoolExecutor() as pool:
            list(pool.map(lambda session, share: session.run(share, timeout), sessions, shares))
    finally:
        for session in sessions:
            session.end()


class Session:
    """A psql that waits for scripts until this process ends."""

    def __init__(self, port: int, database: str, user: str = "postgres") -> None:
        self.name, self.database, self.user = f"PostgreSQL on port {port}", database, user
        self.errors = tempfile.TemporaryFile("w+", errors="replace")  # noqa: SIM115  # as long as the process
        options = ["-XqAtw", "-v", "ON_ERROR_STOP=1", "-v", "VERBOSITY=terse", "-p", str(port), "-d", database]
        try:
            self.process = programs.start(
                [program() or "psql", *options],
                stdin=programs.PIPE,
                stdout=programs.PIPE,
                stderr=self.errors,
                user=user,
                group=user,
                extra_groups=[],
                cwd="/",
                env={"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", "PGCLIENTENCODING": "UTF8"},
            )
        except (OSError, LookupError) as error:  # no psql, no user
            raise CommandExecutionError(f"{self.name}: {error}") from None
        # Both are pipes.
        self.stdin, self.stdout = cast("IO[bytes]", self.process.stdin), cast("IO[bytes]", self.process.stdout)
        atexit.register(self.end)

    def end(self) -> None:
        """Let it end, and wait for that: a plain init would leave what is left of it lying about."""
        self.process.kill()
        self.process.wait()
        with contextlib.suppress(OSError):
            self.stdin.close()

    def answers(self, script: str) -> bool:
        """Whether it can run `script`, which is to be one that may be run twice."""
        try:
            self.run(script, timeout=60)
        except CommandExecutionError:
            return False
        return True

    def run(self, script: str, timeout: int) -> list[str]:
        """Lines that `script` prints; psql ends at the first error."""
        ended = os.urandom(16).hex()
        # It may print before it has read everything, and would wait for us while we wait for it.
        threading.Thread(target=self._send, args=(f"{script}\n\\echo {ended}\n",), daemon=True).start()
        printed, last = b"", time.monotonic() + timeout
        while not printed.endswith(f"{ended}\n".encode()):
            if not select.select([self.stdout], [], [], max(0, last - time.monotonic()))[0]:
                self.end()
                raise CommandExecutionError(f"{self.name} gave no answer in {timeout} s")
            if not (part := os.read(self.stdout.fileno(), 1 << 20)):
                self.process.wait()
                self.errors.seek(0)
                said = " ".join(self.errors.read().split())
                advice = ADVICE.format(self.user) if REFUSED.search(said) else ""
                raise CommandExecutionError(f"{self.name}: {said}{advice}")
            printed += part
        return [line for line in printed.decode(errors="replace").split("\n")[:-2] if line]

    def _send(self, text: str) -> None:
        try:
            self.stdin.write(text.encode())
            self.stdin.flush()
        except (OSError, ValueError):
            pass  # it has ended; what it said last is read


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
