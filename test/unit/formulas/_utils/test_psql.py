"""One psql for many scripts; names and texts on their way into SQL and into psql's own commands."""

import os
import random
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from salt.exceptions import CommandExecutionError

NASTY = [
    "",
    "plain",
    "Mixed Case",
    "it's",
    "''",
    'say "hi"',
    '"',
    "back\\slash",
    "\\",
    "\\'",
    "'\\",
    "\\\\''",
    "'; DROP DATABASE shop; --",
    '"; DROP DATABASE shop; --',
    "$$ $tag$",
    ":variable :'x' :\"y\"",
    "`id`",
    "-x",
    "a%b_c",
    "tab\there",
    "zwölf \u2603",
    "E'x'",
    "\\connect other",
]
SEEDED = random.Random(7677)
NASTY += ["".join(SEEDED.choices("'\"\\;:$`-aE \n", k=SEEDED.randint(1, 12))) for _ in range(200)]

# Prints what it is given while it reads on, ends at the first error as psql does, and after a while in any case.
FAKE = r"""
import glob, os, signal, sys, time

signal.alarm(20)
heard = open(f"heard.{os.getpid()}", "w", encoding="utf-8")
for line in sys.stdin:
    print(line, end="", file=heard, flush=True)
    verb, _, rest = line.rstrip("\n").partition(" ")
    if verb in ("PRINT", "\\echo"):
        print(rest, flush=True)
    elif verb == "WARN":
        print(rest, file=sys.stderr, flush=True)
    elif verb == "FAIL":
        sys.exit(rest)
    elif verb and os.path.exists("gone"):  # whatever psql would need the server for
        os.unlink("gone")
        sys.exit("server closed the connection")
    elif verb == "ENCODING":
        print('"' + os.environ["PGCLIENTENCODING"] + '"', flush=True)
    elif verb == "HANG":
        time.sleep(20)
    elif verb == "DRIP":
        while True:
            print(".", flush=True)
            time.sleep(0.1)
    elif verb == "MEET":
        open(f"met.{os.getpid()}", "w").close()
        while len(glob.glob("met.*")) < int(rest):
            time.sleep(0.01)
"""


@pytest.fixture
def psql(load: Callable[..., Any]) -> Any:
    """The utility module."""
    return load("_utils/psql", __context__={})


@pytest.fixture
def server(psql: Any, tmp_path: Path) -> Iterator[Any]:
    """The module with a psql that is a script of ours and runs as who we are: `started` processes, at exit `ends`."""

    def start(command: list[str], **options: Any) -> subprocess.Popen[bytes]:
        assert (options.pop("extra_groups"), options.pop("cwd")) == ([], "/")
        psql.users.append(options.pop("user"))
        assert options.pop("group") == psql.users[-1]
        options = {"stdin": subprocess.DEVNULL, **options}
        psql.commands.append(command)
        psql.started.append(subprocess.Popen(command, cwd=tmp_path, **options))
        return psql.started[-1]

    (tmp_path / "psql").write_text(f"#!{sys.executable} -IS\n{FAKE}")
    (tmp_path / "psql").chmod(0o755)
    psql.commands, psql.started, psql.ends, psql.users = [], [], [], []
    psql.program = lambda: str(tmp_path / "psql")
    psql.programs = SimpleNamespace(start=start, PIPE=subprocess.PIPE)
    psql.atexit = SimpleNamespace(register=psql.ends.append)
    yield psql
    for process in psql.started:
        process.kill()
        process.wait()


def heard(server: Any, folder: Path, number: int = 0) -> str:
    """What a process was sent, without what says that a script has ended, and with what follows from itself once."""
    text = (folder / f"heard.{server.started[number].pid}").read_text(encoding="utf-8")
    return re.sub(f"({re.escape(server.QUIET)})+", server.QUIET, re.sub(r"\n\\echo [0-9a-f]{32}\n", "", text))


def test_program(psql: Any, tmp_path: Path) -> None:
    """The newest by number, old versions with a dot among them; none on a bare host."""
    psql.pathlib = SimpleNamespace(Path=lambda _path: tmp_path)
    assert psql.program() is None
    for version in ("9.6", "15", "17"):
        (tmp_path / version / "bin").mkdir(parents=True)
        (tmp_path / version / "bin" / "psql").touch()
    assert psql.program() == str(tmp_path / "17" / "bin" / "psql")


def test_literal(psql: Any) -> None:
    """The constant ends where it should, and PostgreSQL reads the very text from it."""
    for text in NASTY:
        match = re.fullmatch(r"E'((?:\\[\\]|''|[^'\\])*)'", psql.literal(text), re.DOTALL)
        assert match, text
        assert re.sub(r"\\\\|''", lambda pair: pair[0][0], match[1]) == text


def test_identifier(psql: Any) -> None:
    """The identifier ends where it should, and means the very name."""
    for text in NASTY:
        match = re.fullmatch(r'"((?:""|[^"])*)"', psql.identifier(text), re.DOTALL)
        assert match, text
        assert match[1].replace('""', '"') == text


def test_connect(psql: Any) -> None:
    """One line with one quoted connection string of the very name; in the new session statements stay out of the
    log.
    """
    for text in NASTY:
        if "\n" not in text:
            command, _, rest = psql.connect(text).partition("\n")
            quoted = re.fullmatch(r'\\connect -reuse-previous=on "((?:""|[^"])*)"', command)
            assert quoted, text
            named = re.fullmatch(r"dbname='((?:\\.|[^'\\])*)'", quoted[1].replace('""', '"'))
            assert named, text
            assert re.sub(r"\\(.)", r"\1", named[1]) == text
            assert rest == psql.QUIET
    assert "log_statement = 'none'" in psql.QUIET


def test_run(server: Any, tmp_path: Path) -> None:
    """Scripts of one run go to one process, each in its database and kept out of the log; what is printed is JSON."""
    assert server.run('PRINT 1\nPRINT\nPRINT {"a": "zw\u00f6lf \u2603"}\n', 5432, "it's") == [
        1,
        {"a": "zw\u00f6lf \u2603"},
    ]
    assert server.run("", 5432) == []
    assert server.run("WARN so so\nPRINT 2", 5432, "shop") == [2]
    ((_, *options),) = server.commands
    assert options == ["-XqAtw", "-v", "ON_ERROR_STOP=1", "-v", "VERBOSITY=terse", "-p", "5432", "-d", "it's"]
    first, second, third = re.split(r"(?=\\connect)", heard(server, tmp_path))
    assert first == server.QUIET + 'PRINT 1\nPRINT\nPRINT {"a": "zw\u00f6lf \u2603"}\n'
    assert second == server.connect("postgres")
    assert third == server.connect("shop") + "WARN so so\nPRINT 2"


def test_connects_when_it_must(server: Any, tmp_path: Path) -> None:
    """In the database where it is already a session stays; not so after a script that has led it elsewhere."""
    for _ in range(2):
        server.run("PRINT 1\n", 5432)
    assert "connect" not in heard(server, tmp_path)
    server.run(server.connect("shop") + "PRINT 2\n", 5432)
    server.run("PRINT 3\n", 5432)
    assert heard(server, tmp_path).split(server.connect("postgres"))[1] == "PRINT 3\n"


def test_begin(server: Any) -> None:
    """A session that was begun is the one that is used; where there is no psql none is begun."""
    server.begin(5432)
    assert len(server.started) == 1
    assert server.run("PRINT 1\n", 5432) == [1]
    server.program = lambda: None
    server.begin(5433)
    assert len(server.started) == 1


def test_one_process_for_each_cluster(server: Any) -> None:
    """Another port is another server."""
    for port in (5432, 5433, 5432):
        assert server.run(f"PRINT {port}\n", port) == [port]
    assert [command[command.index("-p") + 1] for command in server.commands] == ["5432", "5433"]


def test_processes_end_with_us(server: Any) -> None:
    """No psql outlives the run, nor a statement of its own share, and none is left for init to bury."""
    server.run("", 5432)
    server.run_together(["", ""], 5432)
    assert [process.returncode for process in server.started] == [None, -signal.SIGKILL, -signal.SIGKILL]
    for end in server.ends:
        end()
    assert [process.returncode for process in server.started] == [-signal.SIGKILL] * len(server.started)


def test_much_of_both(server: Any) -> None:
    """A script that prints before it has been read, more than a pipe holds both ways, holds nothing up."""
    value = "x" * 1000
    assert server.run(f'PRINT "{value}"\n' * 1000, 5432) == [value] * 1000


@pytest.mark.filterwarnings("error::pytest.PytestUnhandledThreadExceptionWarning")
def test_error(server: Any) -> None:
    """The message is the server's and shows no statement; the next run has a new process, which knows nothing of it."""
    server.run("", 5432)
    with pytest.raises(CommandExecutionError) as caught:
        server.run("ALTER ROLE x PASSWORD 'test-secret';\nPRINT 1\nFAIL ERROR:  no\tsuch\n" + "PRINT 2\n" * 99999, 5432)
    assert str(caught.value) == "PostgreSQL on port 5432: ERROR: no such"
    assert server.run("PRINT 3\n", 5432) == [3]
    assert len(server.started) == 2
    assert server.started[0].returncode == 1


@pytest.mark.parametrize("database", ["postgres", "shop"])
@pytest.mark.parametrize("how", ["ended", "server gone"])
def test_restarted_server(server: Any, tmp_path: Path, how: str, database: str) -> None:
    """A session whose server has gone is replaced, and nothing is said of it; a script is never sent twice."""
    server.run("", 5432)
    if how == "ended":
        server.started[0].kill()
    else:
        (tmp_path / "gone").touch()
    assert server.run("PRINT 1\n", 5432, database) == [1]
    assert len(server.started) == 2
    assert "PRINT 1" not in heard(server, tmp_path)


@pytest.mark.parametrize("script", ["HANG\n", "DRIP\n", "DRIP\n" + "PRINT 1\n" * 99999], ids=["hang", "drip", "much"])
def test_timeout(server: Any, script: str) -> None:
    """A server that gives no answer, or never the last of it, is not waited for; its psql is ended."""
    before = time.monotonic()
    with pytest.raises(CommandExecutionError, match=r"^PostgreSQL on port 5432 gave no answer in 1 s$"):
        server.run(script, 5432, timeout=1)
    assert 1 <= time.monotonic() - before < 5
    assert server.started[0].returncode == -signal.SIGKILL
    assert server.run("PRINT 1\n", 5432) == [1]


def test_run_together(server: Any, tmp_path: Path) -> None:
    """Statements are shared by sessions that run at the same time, no more than there are processors or statements."""
    server.os = SimpleNamespace(cpu_count=lambda: 2, urandom=os.urandom, read=os.read)
    server.run_together(["MEET 2\n", "MEET 2\nPRINT 1\n", "PRINT 2\n"], 5432)
    assert [heard(server, tmp_path, number) for number in range(2)] == [
        server.QUIET + "MEET 2\nPRINT 2\n",
        server.QUIET + "MEET 2\nPRINT 1\n",
    ]
    server.run_together(["PRINT 3\n"], 5432)
    assert len(server.started) == 3
    server.run_together([], 5432)
    assert len(server.started) == 3


def test_run_together_fails(server: Any, tmp_path: Path) -> None:
    """One that fails is reported, after the others have run."""
    server.os = SimpleNamespace(cpu_count=lambda: 2, urandom=os.urandom, read=os.read)
    with pytest.raises(CommandExecutionError, match=r"^PostgreSQL on port 5432: disk full$"):
        server.run_together(["PASSWORD 'test-secret'\nMEET 2\nFAIL disk full\n", "MEET 2\nPRINT 1\n"], 5432)
    assert heard(server, tmp_path, 1) == server.QUIET + "MEET 2\nPRINT 1\n"


def test_salt_keeps_the_session(minion: Callable[..., SimpleNamespace], server: Any) -> None:
    """In Salt's own loader the session is found again, as long as the run lasts."""
    made = minion()
    made.utils["psql.program"]()
    run: Any = sys.modules[made.utils["psql.run"].__module__]
    run.Session = server.Session
    assert [made.utils["psql.run"](f"PRINT {number}\n", 5432) for number in range(3)] == [[0], [1], [2]]
    assert len(server.started) == 1


def test_encoding(server: Any) -> None:
    """What a cluster of another encoding says comes in UTF-8."""
    assert server.run("ENCODING", 5432) == ["UTF8"]


@pytest.mark.parametrize(
    ("said", "advised"),
    [
        ('FATAL:  Peer authentication failed for user "postgres"', True),
        ("psql: error: fe_sendauth: no password supplied", True),
        ('FATAL:  no pg_hba.conf entry for host "[local]", user "postgres"', True),
        ("FATAL:  kein pg_hba.conf-Eintrag für Host »[local]«, Benutzer »postgres«", True),
        ("FATAL:  the database system is starting up", False),
    ],
)
def test_login_refused(server: Any, said: str, advised: bool) -> None:
    """Where pg_hba.conf does not let us in the line is named that does."""
    for user in ("postgres", "shop"):
        with pytest.raises(CommandExecutionError) as raised:
            server.run(f"FAIL {said}", 5432) if user == "postgres" else server.run_as(
                user, f"FAIL {said}", 5432, "shop"
            )
        assert str(raised.value).endswith(f"local all {user} peer") is advised


def test_as_a_role_of_its_own(server: Any) -> None:
    """What a role may have put there is read with that role's rights, in a session that the superuser's is no part of,
    and that ends.
    """
    server.run("PRINT 1", 5432)
    assert server.run_as("shop", "PRINT 2", 5432, "shop") == [2]
    assert server.run("PRINT 3", 5432) == [3]
    assert server.users == ["postgres", "shop"]
    assert server.commands[1][-1] == "shop"
    assert [process.poll() is None for process in server.started] == [True, False]
