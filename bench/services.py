"""What the services of a converged host have used and done so far: processor time, transactions, messages."""

import os
import pwd
import subprocess
import tomllib
from pathlib import Path
from typing import NamedTuple

CLOCK = os.sysconf("SC_CLK_TCK")
# Services, and what the command line of their processes has in it.
MARKS = {
    "nginx": "nginx",
    "gunicorn": "gunicorn",
    "celeryd-master": "masterceleryconfig",
    "celeryd-result": "resultsceleryconfig",
    "celeryd-periodic": "periodicceleryconfig",
    "celeryd": "workerceleryconfig",
    "engines": "worker/child.py",
    "celerycam": "--camera",
    "rabbitmq": "beam.smp",
    "postgresql": "postgres",
}
# Whose processes are counted though no mark is theirs.
OWNERS = {"avscan": "engines", "avuser": "other", "postgres": "other", "rabbitmq": "other", "www-data": "other"}
BENCH = "bench"
SCANNING = ("celeryd", "engines")
# The counter of all that clients publish, of each protocol; the other counters of the broker have not got it.
PUBLISHED = (
    "lists:sum([maps:get(messages_received_total, Counters, 0)"
    " || Counters <- maps:values(rabbit_global_counters:overview())])."
)


class Process(NamedTuple):
    """A process of this host."""

    parent: int
    owner: int
    command: str
    used: float
    """Seconds, with those of its children that have ended."""


def processes() -> dict[int, Process]:
    """Those that there are, by their number."""
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            command = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
            owner = folder.stat().st_uid
        except OSError:
            continue
        found[int(folder.name)] = Process(int(fields[1]), owner, command, sum(map(int, fields[11:15])) / CLOCK)
    return found


def below(root: int, known: dict[int, Process]) -> set[int]:
    """A process and all that it has started."""
    family = {root}
    while more := {pid for pid, process in known.items() if process.parent in family} - family:
        family |= more
    return family


def processor_seconds(session: int) -> dict[str, float]:
    """Processor time of each service; that of this process, what it started, and its `session` with the database is
    BENCH.
    """
    owners = {}
    for user, counted_as in OWNERS.items():
        try:
            owners[pwd.getpwnam(user).pw_uid] = counted_as
        except KeyError:  # of a role that this host does not have
            continue
    used = dict.fromkeys((*MARKS, "other", BENCH), 0.0)
    known = processes()
    ours = below(os.getpid(), known) | {session}
    for pid, process in known.items():
        marked = (name for name, mark in MARKS.items() if mark in process.command)
        service = BENCH if pid in ours else next(marked, owners.get(process.owner))
        if service:
            used[service] += process.used
    return used


class Database:
    """One session with the application's database, by PostgreSQL's superuser."""

    def __init__(self) -> None:
        """Begin it."""
        settings = tomllib.loads(Path("/etc/phagescan/master.toml").read_text())["database"]
        command = ["runuser", "-u", "postgres", "--", "psql", "-XAtq", "--set=ON_ERROR_STOP=1"]
        self.session = subprocess.Popen(
            [*command, "-p", str(settings["port"]), settings["name"]],
            cwd="/",
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            bufsize=1,
        )
        self.asked = 0
        self.pid = int(self.ask("select pg_backend_pid()"))
        # So that looking for runs that are open reads the index of these and never the table, as small as that is.
        self.ask("select set_config('enable_seqscan', 'off', false)")

    def ask(self, statement: str) -> str:
        """Its one row: each is a transaction."""
        if self.session.stdin is None or self.session.stdout is None:
            raise TypeError("psql was started without pipes")
        self.session.stdin.write(f"{statement};\n")
        self.asked += 1
        answer = self.session.stdout.readline()
        if not answer:
            raise SystemExit(f"bench: the database did not answer: {statement}")
        return answer.strip()


class Counted(NamedTuple):
    """What was counted so far."""

    transactions: int
    sessions: int
    messages: int
    bytes: int


def counted(database: Database) -> Counted:
    """PostgreSQL's counters without the transactions of our own session, the broker's, and the database's size."""
    done, sessions, size = database.ask(
        "select xact_commit + xact_rollback, sessions, pg_database_size(datname)"
        " from pg_stat_database where datname = current_database()"
    ).split("|")
    asked = database.asked
    command = ["rabbitmqctl", "--quiet", "eval", PUBLISHED]
    messages = subprocess.run(command, cwd="/", stdout=subprocess.PIPE, text=True, check=True).stdout
    return Counted(int(done) - asked, int(sessions), int(messages), int(size))
