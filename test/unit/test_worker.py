"""The scan worker: processes for engines, fetching, its task, its announcements and its configuration."""

import http.server
import importlib
import json
import logging
import os
import signal
import ssl
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from celery.exceptions import Reject

PROJECT = Path(__file__).parents[2] / "roots" / "phagescan"

CONF = """
ca_certs = ""
[broker]
host = "127.0.0.1"
port = 5672
vhost = "phage"
user = "worker"
password = "test-secret"
tls = false
[scan]
master_url = "http://127.0.0.1:1"
concurrency = 3
[engines.yara]
timeout = 30
memory = 512
[engines.fileinfo]
timeout = 30
memory = 512
"""

ENGINE = '''
"""An engine that does what the sample says."""

import ctypes, os, socket, subprocess, time
from engines import Engine, Finding

class Puppet(Engine):
    """Runs the sample, for the test."""

    name = "puppet"

    def version(self):
        return "1"

    def self_test(self):
        if self.options.get("broken"):
            raise RuntimeError("the strings are torn")

    def scan(self, path):
        found = {}
        exec(path.read_text(), globals() | {"found": found, "path": path})
        return Finding(False, metadata={key: str(value) for key, value in found.items()})
'''


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """Salt's logging, loaded by other tests, keeps what is logged here and fails to print it at the end."""
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


@pytest.fixture
def project(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The project's modules, configured; everything imported of them is forgotten afterwards."""
    (tmp_path / "worker.toml").write_text(CONF)
    monkeypatch.syspath_prepend(str(PROJECT))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    monkeypatch.setenv("PHAGESCAN_CONF_DIR", str(tmp_path))
    monkeypatch.setenv("CELERY_CONFIG_MODULE", "workerceleryconfig")
    monkeypatch.delenv("DJANGO_SETTINGS_MODULE", raising=False)
    for name in list(sys.modules):
        if name.split(".")[0] in ("scaggr", "worker", "workerceleryconfig"):
            monkeypatch.delitem(sys.modules, name)
    return PROJECT


@pytest.fixture
def sandbox(project: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Callable[..., Any]]:
    """Makes the sandbox of an engine that does what the sample says, in a copy of the project that has such an engine."""
    copy = tmp_path / "project"
    for name in ("engines", "worker"):
        (copy / name).mkdir(parents=True)
        for source in (PROJECT / name).glob("*.py"):
            (copy / name / source.name).write_text(source.read_text())
    (copy / "engines" / "puppet.py").write_text(ENGINE)
    module = importlib.import_module("worker.sandbox")
    monkeypatch.setattr(module, "PROGRAM", copy / "worker" / "child.py")
    made = []

    def make(**options: Any) -> Any:
        made.append(module.Sandbox("puppet", {"timeout": 20, "memory": 256, **options}))
        return made[-1]

    yield make
    for each in made:
        each.stop()


@pytest.fixture
def script(tmp_path: Path) -> Callable[[str], Path]:
    """Writes a sample."""

    def write(code: str) -> Path:
        path = tmp_path / "sample"
        path.write_text(code)
        return path

    return write


def gone(pid: int) -> bool:
    """Tell whether a process has ended."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"


def until(condition: Callable[[], Any], seconds: float = 20.0) -> Any:
    """Wait for a condition."""
    deadline = time.monotonic() + seconds
    while not (result := condition()):
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.01)
    return result


def children(pid: int) -> list[int]:
    """Return the numbers of a process's children."""
    return [int(number) for number in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def test_each_scan_is_done_by_a_fork(sandbox: Callable[..., Any], script: Callable[[str], Path]) -> None:
    """Of the one process that has loaded the engine; it is gone when the answer is there."""
    box = sandbox()
    answers = [box.scan(script("found |= {'pid': os.getpid(), 'parent': os.getppid()}")) for _ in range(5)]
    assert {answer.outcome for answer in answers} == {"clean"}
    assert {answer.engine_version for answer in answers} == {"1"}
    assert {answer.metadata["parent"] for answer in answers} == {str(box.child.process.pid)}
    assert len({answer.metadata["pid"] for answer in answers}) == 5
    assert all(gone(int(answer.metadata["pid"])) for answer in answers)
    assert children(box.child.process.pid) == []


EVIL = """
import engines.puppet
engines.puppet.Puppet.scan = lambda self, path: Finding(False, metadata={"evil": "1"})
parent = os.getppid()
def attempt(name, action):
    try: found[name] = action() or "done"
    except OSError: found[name] = "refused"
def attach():
    if ctypes.CDLL(None).ptrace(16, parent, 0, 0) < 0: raise OSError
attempt("trace", attach)
attempt("fork", lambda: os.fork() or os._exit(0))
attempt("memory", lambda: open(f"/proc/{parent}/mem", "r+b"))
attempt("another sample", lambda: open(path.with_name("another"), "rb"))
import stat
found["pipes"] = 0
for number in range(64):
    try: found["pipes"] += stat.S_ISFIFO(os.fstat(number).st_mode)
    except OSError: pass
"""
"""What a sample that has taken over its engine would try."""


def test_nothing_that_a_sample_does_to_its_engine_outlives_its_scan(
    sandbox: Callable[..., Any], script: Callable[[str], Path], tmp_path: Path
) -> None:
    """It comes neither to the process above, nor to other samples, nor to what leads to the worker: one pipe is its own."""
    (tmp_path / "another").touch()
    box = sandbox()
    landlock = "no Landlock" not in str(probe(box))
    answer = box.scan(script(EVIL))
    assert (answer.error, answer.metadata["pipes"]) == ("", "1")
    refused = {"trace", "memory", "another sample"} if landlock else set()
    refused |= {"trace", "memory", "fork"} if os.geteuid() else set()
    assert {answer.metadata[name] for name in refused} <= {"refused"}
    pid = box.child.process.pid
    assert box.scan(script("found['good'] = 1")).metadata == {"good": "1"}
    # Wherever it writes to, it spoils its own answer only.
    everywhere = "for number in range(64):\n    try: os.write(number, b'{}\\n')\n    except OSError: pass\n"
    answer = box.scan(script(everywhere))
    assert (answer.outcome, answer.error) == ("error", "its answer is not understood")
    assert box.scan(script("found['good'] = 1")).metadata == {"good": "1"}
    assert box.child.process.pid == pid


CHATTERBOX = """
import json, sys, time
for number, line in enumerate(sys.stdin):
    answer = {"id": json.loads(line)["id"]} | ({"said": '{"name": ""}'} if number else {"version": "1", "kind": "evilness"})
    for piece in TALK:
        print(piece, end="", flush=True)
        time.sleep(0.05)
"""
"""A process that may say what it should not."""


@pytest.mark.parametrize(
    ("talk", "error"),
    [
        ("[json.dumps(answer), chr(10)]", ""),
        ("[json.dumps(answer | {'id': 'x'} if number else answer) + chr(10)]", "its answer is not what it was asked"),
        ("[json.dumps({} if number else answer) + chr(10)]", "its answer is not what it was asked"),
        ("[(json.dumps(answer) + chr(10)) * (number + 1)]", "its answer is not what it was asked"),
        ("[json.dumps(answer) + chr(10) + '{}' * number]", "its answer is not what it was asked"),
        ("['[' * 100000 + chr(10)]", "its answer is not what it was asked"),
        ("['7' * (9 << 20)]", "its answer is too long"),
    ],
)
def test_only_the_answer_to_a_request_is_believed(
    sandbox: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, talk: str, error: str
) -> None:
    """A process that says anything else, or more, is ended."""
    program = tmp_path / "chatterbox.py"
    program.write_text(CHATTERBOX.replace("TALK", talk))
    monkeypatch.setattr(importlib.import_module("worker.sandbox"), "PROGRAM", program)
    box = sandbox()
    answer = box.scan(program)
    assert (answer.outcome, answer.error) == ("error" if error else "described", error)
    assert (box.child is None) == bool(error)


def test_a_process_that_speaks_unasked_is_replaced(
    sandbox: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before the next scan; whoever asks it all the same is told."""
    module = importlib.import_module("worker.sandbox")
    program = tmp_path / "chatterbox.py"
    program.write_text(CHATTERBOX.replace("TALK", "[json.dumps(answer) + chr(10), '{}']"))
    monkeypatch.setattr(module, "PROGRAM", program)
    box = sandbox()
    box.start()
    pid = box.child.process.pid
    until(box.child.spoiled)
    with pytest.raises(module.ChildError, match="it said what it was not asked"):
        box.child.ask(do="scan", path="x")
    box.start()
    assert gone(pid)
    assert box.child.process.pid != pid


def test_a_host_that_cannot_start_a_process_says_so(
    sandbox: Callable[..., Any], script: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is not the sample's fault, and goes by."""
    module = importlib.import_module("worker.sandbox")
    box = sandbox()

    def refuse(*_: Any, **__: Any) -> None:
        raise BlockingIOError(11, "Resource temporarily unavailable")

    with monkeypatch.context() as patch:
        patch.setattr(module.subprocess, "Popen", refuse)
        answer = box.scan(script(""))
    assert (answer.outcome, answer.error) == ("error", "worker: Resource temporarily unavailable")
    assert box.scan(script("")).outcome == "clean"


def test_a_fork_that_is_refused_is_the_hosts_fault(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And leaves no pipe open."""
    child = importlib.import_module("worker.child")

    def refuse() -> int:
        raise OSError(12, "Cannot allocate memory")

    monkeypatch.setattr(child.os, "fork", refuse)
    before = len(os.listdir("/proc/self/fd"))
    assert child.in_a_fork(dict, 1.0) == {"error": "worker: Cannot allocate memory"}
    assert len(os.listdir("/proc/self/fd")) == before


@pytest.mark.parametrize(
    ("code", "error"),
    [
        ("raise ValueError('two\\nlines')", "ValueError: two lines"),
        ("raise KeyboardInterrupt", "KeyboardInterrupt"),
        ("raise SystemExit(2)", "SystemExit: 2"),
        ("ctypes.string_at(0)", "crashed: SIGSEGV"),
        ("os.abort()", "crashed: SIGABRT"),
        ("os._exit(3)", "crashed: exit code 3"),
        ("bytearray(1 << 30)", "out of memory (limit 256 MiB)"),
        ("found['x'] = 'y' * (2 << 20)", "its answer is too long"),
    ],
)
def test_a_failure_is_the_verdict_and_the_next_scan_works(
    sandbox: Callable[..., Any], script: Callable[[str], Path], code: str, error: str
) -> None:
    """By the name of the signal or of the exception; only the fork is gone, and the next one has the next scan."""
    box = sandbox()
    box.start()
    pid = box.child.process.pid
    answer = box.scan(script(code))
    assert (answer.outcome, answer.error, answer.engine_version) == ("error", error, "1")
    assert children(pid) == []
    assert box.scan(script("")).outcome == "clean"
    assert box.child.process.pid == pid


def test_a_process_that_was_killed_from_outside_is_replaced(
    sandbox: Callable[..., Any], script: Callable[[str], Path], tmp_path: Path
) -> None:
    """Between two scans and in the middle of one; only a sample that does it again is to blame."""
    box = sandbox()
    box.start()
    box.child.process.kill()
    until(lambda: gone(box.child.process.pid))
    assert box.scan(script("")).outcome == "clean"
    first = box.child.process.pid
    threading.Timer(0.5, box.child.process.kill).start()
    assert box.scan(script(f"if os.getppid() == {first}: time.sleep(60)")).outcome == "clean"
    assert box.child.process.pid != first
    answer = box.scan(script("os.kill(os.getpid(), 9)"))
    assert (answer.outcome, answer.error) == ("error", "crashed: SIGKILL")


def test_an_engine_that_hangs_times_out(sandbox: Callable[..., Any], script: Callable[[str], Path]) -> None:
    """Also one that would survive its parent, or has closed its pipe, or goes on after its answer; its fork is ended."""
    box = sandbox(timeout=0.5)
    box.start()
    pid = box.child.process.pid
    hide = "os.setsid()\nctypes.CDLL(None).prctl(1, 0, 0, 0, 0)\nwhile True: pass"
    linger = "for number in range(3, 64):\n    try: os.write(number, b'{}')\n    except OSError: pass\nwhile True: pass"
    for code in ("while True: pass", hide, linger):
        answer = box.scan(script(code))
        assert (answer.outcome, answer.error) == ("timed_out", "timed out after 0.5 s")
        assert 0.5 <= answer.duration < 4
        assert children(pid) == []
        assert box.child.process.pid == pid
    assert box.scan(script("os.closerange(3, 64)\nwhile True: pass")).error == "crashed: SIGKILL"
    assert children(pid) == []
    box.options["timeout"] = box.child.timeout = 20
    assert box.scan(script("")).outcome == "clean"
    assert box.child.process.pid == pid


def test_a_process_that_hangs_is_ended_with_its_fork(
    sandbox: Callable[..., Any], script: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has a little longer than its fork."""
    monkeypatch.setattr(importlib.import_module("worker.sandbox"), "OVERTIME", 0.5)
    box = sandbox(timeout=1)
    box.start()
    pid = box.child.process.pid
    forks = []

    def stop() -> None:
        forks.extend(until(lambda: children(pid)))
        os.kill(pid, signal.SIGSTOP)

    threading.Thread(target=stop).start()
    answer = box.scan(script("time.sleep(60)"))
    assert (answer.outcome, answer.error) == ("timed_out", "timed out after 1 s")
    assert gone(pid)
    until(lambda: gone(forks[0]))
    assert box.scan(script("")).outcome == "clean"


def test_what_an_engine_prints_is_not_taken_for_an_answer(sandbox: Callable[..., Any], script: Callable[[str], Path]) -> None:
    """Neither from Python nor from C."""
    box = sandbox()
    answer = box.scan(script("print('{}', flush=True); os.write(1, b'{}\\n'); os.write(2, b'{}\\n'); found['told'] = 1"))
    assert (answer.outcome, answer.metadata) == ("clean", {"told": "1"})


def test_what_the_database_does_not_take_is_replaced(sandbox: Callable[..., Any], script: Callable[[str], Path]) -> None:
    """NUL and lone surrogates."""
    answer = sandbox().scan(script("found['a\\0'] = 'b\\0\\ud800'"))
    assert answer.metadata == {"a\N{REPLACEMENT CHARACTER}": "b\N{REPLACEMENT CHARACTER}?"}


def test_a_service_manager_that_stops_everything_stops_no_scan(
    sandbox: Callable[..., Any], script: Callable[[str], Path]
) -> None:
    """The worker ends its scans before it ends."""
    code = "import signal\nfor number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP): os.kill(os.getpid(), number)"
    assert sandbox().scan(script(code)).outcome == "clean"


def test_an_engine_that_cannot_be_loaded_is_an_error(sandbox: Callable[..., Any], script: Callable[[str], Path]) -> None:
    """It says which module."""
    box = sandbox()
    box.engine = "nonesuch"
    answer = box.scan(script(""))
    assert (answer.outcome, answer.error) == ("error", "ModuleNotFoundError: No module named 'engines.nonesuch'")


def test_an_engine_has_neither_the_workers_files_nor_its_environment(
    sandbox: Callable[..., Any], script: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """No descriptor but its own, no variable of the worker's, no core file, no privileges to gain, nothing to write."""
    monkeypatch.setenv("SECRET", "test-secret")
    inherited, other = os.pipe()
    os.set_inheritable(inherited, True)
    inode = os.fstat(inherited).st_ino
    try:
        answer = sandbox().scan(
            script(
                "import resource\n"
                "found['environment'] = dict(os.environ)\n"
                "found['core'] = resource.getrlimit(resource.RLIMIT_CORE)[1]\n"
                "found['memory'] = resource.getrlimit(resource.RLIMIT_AS)[1]\n"
                "def tried(name, action):\n"
                "    try: found[name] = action() and 'done'\n"
                "    except OSError: found[name] = 'refused'\n"
                f"tried('pipe', lambda: os.fstat({inherited}).st_ino == {inode})\n"
                "tried('write', lambda: os.write(os.open(str(found), os.O_CREAT | os.O_WRONLY), b'x'))\n"
            )
        )
    finally:
        os.close(inherited)
        os.close(other)
    found = answer.metadata
    assert answer.error == ""
    assert "test-secret" not in found["environment"]
    assert found["pipe"] in ("refused", "False")
    assert (found["core"], found["memory"], found["write"]) == ("0", str(256 << 20), "refused")


def test_an_engine_has_no_network(
    sandbox: Callable[..., Any], script: Callable[[str], Path], server: Callable[..., SimpleNamespace]
) -> None:
    """Not even to this host, where the kernel lets the process have a network of its own or Landlock."""
    box = sandbox()
    hello = probe(box)
    if "no network namespace" in str(hello) and "no Landlock" in str(hello):
        pytest.skip("this kernel offers neither")
    address = server([(200, b"")]).address
    answer = box.scan(script(f"socket.create_connection({address!r}, timeout=5)"))
    assert answer.outcome == "error"
    assert "Error" in answer.error


def test_an_engine_cannot_read_the_login_at_the_broker(sandbox: Callable[..., Any], script: Callable[[str], Path]) -> None:
    """Nor anything else that is not the system's, the project's or a sample, where the kernel has Landlock."""
    box = sandbox()
    if "no Landlock" in str(probe(box)):
        pytest.skip("this kernel has no Landlock")
    answer = box.scan(script("open('/etc/passwd').read()"))
    assert answer.error == "PermissionError: [Errno 13] Permission denied: '/etc/passwd'"


def probe(box: Any) -> list[str]:
    """Return what of the confinement this kernel does not offer."""
    child = importlib.import_module("worker.sandbox").Child(box.engine, box.options)
    try:
        return child.wait(20)["missing"]
    finally:
        child.end()


def test_an_engine_ends_with_the_process_that_started_it(sandbox: Callable[..., Any], script: Callable[[str], Path]) -> None:
    """Even when that one was killed in the middle of a scan."""
    box = sandbox()
    readable, writable = os.pipe()
    if (pid := os.fork()) == 0:
        box.start()
        os.write(writable, b"%d" % box.child.process.pid)
        box.scan(script("time.sleep(600)"))
        os._exit(0)
    child = int(os.read(readable, 32))
    (fork,) = until(lambda: children(child))
    time.sleep(0.2)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    until(lambda: gone(child))
    until(lambda: gone(fork))
    os.close(readable)
    os.close(writable)


@pytest.mark.parametrize("engine", ["yara", "fileinfo"])
def test_the_real_engines_work_in_the_sandbox(project: Path, engine: str, tmp_path: Path) -> None:
    """Their self-tests pass with all that is taken away from them."""
    module = importlib.import_module("worker.sandbox")
    child = module.Child(engine, {"memory": 512})
    try:
        assert child.wait(30)["kind"] in ("evilness", "metadata")
        child.ask(do="self_test")
        assert child.wait(30)["version"]
    finally:
        child.end()


@pytest.fixture
def server() -> Iterator[Callable[..., SimpleNamespace]]:
    """Starts a master that gives the listed answers, one after the other, and the last one again and again."""
    running = []

    def start(
        answers: list[tuple[int, bytes] | tuple[int, bytes, dict[str, str]]], context: ssl.SSLContext | None = None
    ) -> SimpleNamespace:
        state = SimpleNamespace(paths=[], headers=[])

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:  # noqa: N802
                state.paths.append(self.path)
                state.headers.append((self.headers["Authorization"], self.headers["X-Delivery"]))
                status, body, *more = answers[min(len(state.paths), len(answers)) - 1]
                headers = {"Content-Length": str(len(body)), **(more[0] if more else {})}
                self.send_response(status)
                for key, value in headers.items():
                    if value:
                        self.send_header(key, value)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                pass

        httpd = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        if context:
            httpd.socket = context.wrap_socket(httpd.socket, server_side=True, do_handshake_on_connect=False)
        threading.Thread(target=httpd.serve_forever, args=(0.01,), daemon=True).start()
        running.append(httpd)
        state.address = httpd.server_address
        state.url = f"http{'s' if context else ''}://127.0.0.1:{httpd.server_address[1]}"
        return state

    yield start
    for httpd in running:
        httpd.shutdown()
        httpd.server_close()


@pytest.fixture
def fetch(project: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> ModuleType:
    """The module, in a hurry, with a temporary directory of its own."""
    module = importlib.import_module("worker.fetch")
    monkeypatch.setattr(module, "PATIENCE", 2.0)
    monkeypatch.setattr(module, "PAUSES", (0.01,))
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    return module


def test_a_sample_is_fetched_into_a_private_file(fetch: ModuleType, server: Callable[..., SimpleNamespace]) -> None:
    """Which is gone afterwards. The address says nothing: the signature is in a header."""
    body = os.urandom(300_000)
    master = server([(200, body)])
    with fetch.sample(master.url + "/scan/", "signed:x", "5c1c") as path:
        assert path.read_bytes() == body
        assert path.stat().st_mode & 0o777 == 0o600
        assert path.parent.stat().st_mode & 0o777 == 0o700
    assert not path.exists()
    assert master.paths == ["/scan/fetch/"]
    assert master.headers == [("Signature signed:x", "5c1c")]


@pytest.mark.parametrize("signed", ["two\r\nlines: x", "\N{EURO SIGN}"])
def test_a_signature_that_is_none_is_not_sent(fetch: ModuleType, server: Callable[..., SimpleNamespace], signed: str) -> None:
    """And not told to anyone."""
    master = server([(200, b"")])
    with pytest.raises(fetch.UnwantedError, match="the signature is none"), fetch.sample(master.url, signed, "5c1c"):
        pass
    assert master.paths == []


@pytest.fixture
def certified(load: Callable[..., ModuleType], tmp_path: Path) -> Callable[[str], tuple[str, ssl.SSLContext]]:
    """Makes a certificate for one name: its file, and what a server shows it with."""

    def make(name: str) -> tuple[str, ssl.SSLContext]:
        path = tmp_path / f"{name}.pem"
        path.write_bytes(b"".join(load("_utils/certificates").make([name])))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(path)
        return str(path), context

    return make


def test_a_sample_is_fetched_from_a_master_that_is_known(
    fetch: ModuleType, server: Callable[..., SimpleNamespace], certified: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Over TLS, by a certificate that is trusted, and that is for the master's name; from nobody else."""
    monkeypatch.setattr(fetch, "PATIENCE", 0.2)
    known, context = certified("127.0.0.1")
    master = server([(200, b"all")], context)
    with fetch.sample(master.url, "x", "5c1c", known) as path:
        assert path.read_bytes() == b"all"
    monkeypatch.setenv("SSL_CERT_FILE", known)  # stands for the system's
    with fetch.sample(master.url, "x", "5c1c") as path:
        assert path.read_bytes() == b"all"
    monkeypatch.delenv("SSL_CERT_FILE")
    other, context = certified("192.0.2.1")
    impostor = server([(200, b"all")], context)
    for url, ca_certs, reason in (
        (master.url, other, "self-signed certificate"),
        (master.url, "", "self-signed certificate"),
        (impostor.url, other, "IP address mismatch"),
        (master.url, "/nowhere", "/nowhere is of no use: "),
    ):
        with pytest.raises(fetch.AwayError, match=reason), fetch.sample(url, "x", "5c1c", ca_certs):
            pass
    assert (len(master.paths), impostor.paths) == (2, [])


def test_an_empty_sample_is_a_sample(fetch: ModuleType, server: Callable[..., SimpleNamespace]) -> None:
    """Of no bytes."""
    with fetch.sample(server([(200, b"")]).url, "x", "5c1c") as path:
        assert path.read_bytes() == b""


@pytest.mark.parametrize(("status", "reason"), [(204, "verdict already"), (403, "signature"), (410, "set the sample aside")])
def test_some_answers_end_the_task(
    fetch: ModuleType, server: Callable[..., SimpleNamespace], status: int, reason: str, tmp_path: Path
) -> None:
    """At the first attempt, and nothing stays behind."""
    master = server([(status, b"")])
    with pytest.raises(fetch.UnwantedError, match=reason), fetch.sample(master.url, "x", "5c1c"):
        pass
    assert len(master.paths) == 1
    assert not list((tmp_path / "tmp").glob("*/*"))


@pytest.mark.parametrize(
    "trouble",
    [
        (502, b"restarting"),
        (404, b"another site"),
        (302, b"", {"Location": "/login/"}),
        (200, b"half", {"Content-Length": "8"}),
        (200, b"unknown length", {"Content-Length": ""}),
    ],
)
def test_other_answers_are_waited_out(fetch: ModuleType, server: Callable[..., SimpleNamespace], trouble: tuple) -> None:
    """A redirect is not followed, half a sample is none, and the next attempt begins at the beginning."""
    master = server([trouble, trouble, (200, b"all")])
    with fetch.sample(master.url, "x", "5c1c") as path:
        assert path.read_bytes() == b"all"
    assert master.paths == ["/fetch/"] * 3
    assert master.headers == [("Signature x", "5c1c")] * 3


def test_a_master_that_stays_away_is_given_up(
    fetch: ModuleType, server: Callable[..., SimpleNamespace], monkeypatch: pytest.MonkeyPatch
) -> None:
    """With its last error."""
    monkeypatch.setattr(fetch, "PATIENCE", 0.2)
    master = server([(503, b"")])
    with pytest.raises(fetch.AwayError, match="status 503"), fetch.sample(master.url, "x", "5c1c"):
        pass
    assert len(master.paths) > 1
    with pytest.raises(fetch.AwayError, match="refused"), fetch.sample("http://127.0.0.1:1", "x", "5c1c"):
        pass


@pytest.fixture
def full(fetch: ModuleType, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The disk has no room for what is written of a sample."""
    make = fetch.tempfile.mkstemp

    def mkstemp(**options: Any) -> tuple[int, str]:
        descriptor, name = make(**options)
        os.dup2(disk.fileno(), descriptor)
        return descriptor, name

    with open("/dev/full", "wb", buffering=0) as disk, monkeypatch.context() as patch:
        patch.setattr(fetch.tempfile, "mkstemp", mkstemp)
        yield


@pytest.mark.usefixtures("full")
@pytest.mark.parametrize("size", [1, 300_000])
def test_a_full_disk_is_not_taken_for_a_master_that_is_away(
    fetch: ModuleType, server: Callable[..., SimpleNamespace], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    """It is asked once, and nothing stays behind."""
    # A device cannot be truncated.
    monkeypatch.setattr(fetch, "empty", lambda _: None)
    master = server([(200, b"x" * size)])
    with pytest.raises(OSError, match="No space left"), fetch.sample(master.url, "x", "5c1c"):
        pass
    assert len(master.paths) == 1
    assert not list((tmp_path / "tmp").glob("*/*"))


def test_what_killed_workers_left_is_removed(fetch: ModuleType, server: Callable[..., SimpleNamespace], tmp_path: Path) -> None:
    """However new it is; nothing that is in use, and nothing of anyone else's."""
    left, other = fetch.directory() / "left", tmp_path / "tmp" / "other"
    for path in (left, other):
        path.touch()
    with fetch.sample(server([(200, b"in use")]).url, "x", "5c1c") as path:
        fetch.remove_leftovers()
        assert path.exists()
    assert not left.exists()
    assert other.exists()


def test_the_directory_of_the_samples_is_private(fetch: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """One that others may enter is closed, and one that belongs to somebody else is not used."""
    path = fetch.directory()
    assert path.parent == tmp_path / "tmp"
    path.chmod(0o755)
    assert fetch.directory().stat().st_mode & 0o777 == 0o700
    path.rename(tmp_path / "elsewhere")
    path.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(PermissionError, match="is not this user's directory"):
        fetch.directory()
    path.unlink()
    path.touch()
    with pytest.raises(FileExistsError):
        fetch.directory()
    me = os.geteuid()
    (tmp_path / "tmp" / f"phagescan-worker-{me + 1}").mkdir()
    monkeypatch.setattr(fetch.os, "geteuid", lambda: me + 1)
    with pytest.raises(PermissionError, match="is not this user's directory"):
        fetch.directory()


@pytest.fixture
def tasks(project: Path, fetch: ModuleType, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """The module; what it sends ends up in `sent`."""
    module = importlib.import_module("worker.tasks")
    module.sent = []
    monkeypatch.setattr(module.app, "send_task", lambda name, **options: module.sent.append((name, options)))
    monkeypatch.setattr(module, "PAUSE", 0.0)
    yield module
    for box in module.sandboxes.values():
        box.stop()


def test_a_process_of_the_pool_begins_with_its_engines(tasks: ModuleType) -> None:
    """They load in their own time, before the first sample comes."""
    tasks.warm_up()
    assert set(tasks.sandboxes) == {"yara", "fileinfo"}
    pids = {name: box.child.process.pid for name, box in tasks.sandboxes.items()}
    tasks.warm_up()
    tasks.sandbox("yara").start()
    assert {name: box.child.process.pid for name, box in tasks.sandboxes.items()} == pids


def run(tasks: ModuleType, engine: str, url: str) -> Any:
    """Run the task as the pool would."""
    tasks.CONF["scan"]["master_url"] = url
    tasks.scan.push_request(id="5c1c", hostname="scan@unit")
    try:
        return tasks.scan.run(engine=engine, signed="x")
    finally:
        tasks.scan.pop_request()


@pytest.mark.parametrize(("engine", "outcome"), [("yara", "clean"), ("fileinfo", "described")])
def test_the_task_sends_a_verdict(tasks: ModuleType, server: Callable[..., SimpleNamespace], engine: str, outcome: str) -> None:
    """To the exchange of the results, with everything that the collector wants, as JSON."""
    run(tasks, engine, server([(200, b"A text.\n")]).url)
    ((name, options),) = tasks.sent
    assert name == "scaggr.record"
    assert (options["exchange"], options["routing_key"], options["queue"].no_declare) == ("results", "results", True)
    kwargs = json.loads(json.dumps(options["kwargs"]))
    keys = {"verdict", "worker", "outcome", "name", "error", "engine_version", "metadata", "duration"}
    assert set(kwargs) == keys
    assert (kwargs["verdict"], kwargs["worker"], kwargs["outcome"]) == ("5c1c", "scan@unit", outcome)
    assert 0 < kwargs["duration"] < 30


def test_the_task_ends_when_no_verdict_is_wanted(tasks: ModuleType, server: Callable[..., SimpleNamespace]) -> None:
    """And sends nothing."""
    run(tasks, "yara", server([(204, b"")]).url)
    assert tasks.sent == []


def test_each_delivery_of_a_task_has_a_number(tasks: ModuleType, server: Callable[..., SimpleNamespace]) -> None:
    """Which it keeps when it has to ask again."""
    master = server([(503, b""), (204, b"")])
    run(tasks, "yara", master.url)
    run(tasks, "yara", master.url)
    first, same, other = (delivery for _, delivery in master.headers)
    assert first == same != other
    assert all(len(delivery) == 32 and int(delivery, 16) for delivery in (first, other))


def test_what_a_worker_lacks_is_its_answer(
    tasks: ModuleType, fetch: ModuleType, server: Callable[..., SimpleNamespace], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The task does not come again: its sample would be taken for one that ends workers."""

    def refuse(**_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(fetch.tempfile, "mkstemp", refuse)
    run(tasks, "yara", server([(200, b"A text.\n")]).url)
    ((_, options),) = tasks.sent
    assert (options["kwargs"]["outcome"], options["kwargs"]["error"]) == ("error", "worker: No space left on device")


def test_a_worker_does_not_begin_without_a_place_for_samples(tasks: ModuleType, fetch: ModuleType) -> None:
    """It says why."""
    tasks.clean_up()
    place = fetch.directory()
    place.rmdir()
    place.touch()
    with pytest.raises(SystemExit, match="there is no place for samples: File exists"):
        tasks.clean_up()


def test_the_task_goes_back_to_its_queue_when_the_master_is_away(
    tasks: ModuleType, fetch: ModuleType, server: Callable[..., SimpleNamespace], monkeypatch: pytest.MonkeyPatch
) -> None:
    """There its message stays until it expires."""
    monkeypatch.setattr(fetch, "PATIENCE", 0.05)
    with pytest.raises(Reject) as caught:
        run(tasks, "yara", server([(503, b"")]).url)
    assert caught.value.requeue is True


def test_the_task_goes_back_to_its_queue_when_the_verdict_cannot_be_sent(
    tasks: ModuleType, server: Callable[..., SimpleNamespace], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A verdict that the broker does not confirm is not lost."""

    def refuse(*_: Any, **__: Any) -> None:
        raise ConnectionError("gone")

    monkeypatch.setattr(tasks.app, "send_task", refuse)
    with pytest.raises(Reject):
        run(tasks, "yara", server([(200, b"A text.\n")]).url)


def test_publishing_declares_nothing(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker needs no right to configure what belongs to the master, nor to write to the default exchange."""
    tasks = importlib.import_module("worker.tasks")
    sandbox = importlib.import_module("worker.sandbox")
    channel = importlib.import_module("kombu.transport.memory").Channel
    calls: list[tuple[str, Any]] = []
    monkeypatch.setattr(channel, "queue_declare", lambda *_, **options: calls.append(("queue", options)))
    monkeypatch.setattr(channel, "exchange_declare", lambda *_, **options: calls.append(("exchange", options)))
    monkeypatch.setattr(channel, "basic_publish", lambda *_, **options: calls.append(("publish", options["exchange"])))
    tasks.app.conf.update(broker_url="memory://", broker_write_url="memory://", broker_transport_options={})
    tasks.report("5c1c", "scan@unit", sandbox.Answer("clean"))
    assert calls == [("publish", "results")]


def test_the_worker_consumes_its_engines_queues(project: Path) -> None:
    """On the default exchange, where no binding has to be made, and no other queue."""
    app = importlib.import_module("scaggr.celery").app
    queues = app.amqp.queues.consume_from
    assert {name: (queue.exchange.name, queue.routing_key, queue.durable) for name, queue in queues.items()} == {
        "engine.yara": ("", "engine.yara", True),
        "engine.fileinfo": ("", "engine.fileinfo", True),
    }
    assert app.conf.worker_concurrency == 3
    assert app.conf.task_acks_late is True
    assert app.conf.worker_cancel_long_running_tasks_on_connection_loss is False


@pytest.mark.parametrize("ca_certs", ["", "/etc/ssl/master.pem"])
def test_the_broker_is_verified_where_it_speaks_tls(project: Path, tmp_path: Path, ca_certs: str) -> None:
    """By the system's authorities or those of pillar, and by the name that it was called by."""
    text = CONF.replace("tls = false", "tls = true").replace('ca_certs = ""', f'ca_certs = "{ca_certs}"')
    (tmp_path / "worker.toml").write_text(text)
    app = importlib.import_module("scaggr.celery").app
    assert app.connection_for_write().ssl == {
        "cert_reqs": ssl.CERT_REQUIRED,
        "ca_certs": ca_certs or None,
        "server_hostname": "127.0.0.1",
    }


def test_a_worker_without_engines_says_so(project: Path, tmp_path: Path) -> None:
    """In one line."""
    (tmp_path / "worker.toml").write_text(CONF.partition("[engines")[0] + "[engines]\n")
    conf = importlib.import_module("scaggr.conf")
    with pytest.raises(conf.ConfError, match="names no engine"):
        importlib.import_module("workerceleryconfig")


@pytest.fixture
def announce(project: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The module."""
    return importlib.import_module("worker.announce")


def test_the_announcer_is_part_of_the_worker_only(announce: ModuleType) -> None:
    """It registers itself where its module is imported, which this configuration alone does."""
    assert announce.Announcer in announce.app.steps["consumer"]
    assert "worker.announce" in announce.app.conf.imports
    for name in ("master", "results", "periodic"):
        assert "worker." not in (PROJECT / f"{name}celeryconfig.py").read_text()


def test_engines_are_announced_when_they_were_tested(announce: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    """All together, at once when all is known, and again in time; nothing waits for the engines."""
    sent = []
    announcer = announce.Announcer(SimpleNamespace())
    monkeypatch.setattr(announcer, "announce", lambda node, engines: sent.append((node, engines)))
    begin = time.monotonic()
    announcer.tick("scan@unit")
    assert time.monotonic() - begin < 1
    assert sent == []
    try:
        until(lambda: announcer.tick("scan@unit") or sent)
        (node, engines) = sent[0]
        assert node == "scan@unit"
        assert [(each["name"], each["kind"], each["problem"]) for each in engines] == [
            ("yara", "evilness", ""),
            ("fileinfo", "metadata", ""),
        ]
        assert all(each["version"] for each in engines)
        count = len(sent)
        announcer.tick("scan@unit")
        assert len(sent) == count
        announcer.due = 0.0
        announcer.tick("scan@unit")
        assert len(sent) == count + 1
    finally:
        for examinee in announcer.examinees:
            examinee.stop()


def test_a_broken_engine_is_announced_with_its_problem(
    announce: ModuleType, sandbox: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """And tested again soon, in a new process; an engine that was well before is announced again at once."""
    examinee = announce.Examinee("puppet", {"broken": True, "memory": 256})
    try:
        until(examinee.tick)
        assert examinee.state() == {
            "name": "puppet", "kind": "evilness", "version": "", "problem": "RuntimeError: the strings are torn"
        }  # fmt: skip
        assert examinee.child is None
        examinee.options, examinee.due = {"memory": 256}, 0.0
        until(examinee.tick)
        assert (examinee.state()["version"], examinee.state()["problem"]) == ("1", "")
        assert examinee.due > time.monotonic() + 30
    finally:
        examinee.stop()


def test_a_self_test_that_hangs_is_a_problem(announce: ModuleType, sandbox: Callable[..., Any]) -> None:
    """And its process is ended."""
    examinee = announce.Examinee("puppet", {"memory": 256})
    try:
        examinee.begin()
        os.kill(examinee.child.process.pid, signal.SIGSTOP)
        examinee.deadline = time.monotonic()
        until(examinee.tick)
        assert examinee.problem == "the self-test timed out after 60 s"
        assert examinee.child is None
    finally:
        examinee.stop()


def test_announcing_never_harms_the_worker(announce: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a broker it fails soon, and the next attempt makes a new connection."""
    monkeypatch.setattr(announce, "load", lambda _: {"engines": {}})
    announcer = announce.Announcer(SimpleNamespace())
    monkeypatch.setattr(announce.app.conf, "broker_write_url", "amqp://127.0.0.1:1//")
    begin = time.monotonic()
    announcer.tick("scan@unit")
    assert time.monotonic() - begin < 5
    assert announcer.connection is None
    assert announcer.due > begin


@pytest.fixture
def status(project: Path) -> ModuleType:
    """worker.status."""
    return importlib.import_module("worker.status")


def test_what_was_announced_is_kept(
    announce: ModuleType, status: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """In the service's directory, once the broker has taken it, so that the node's state can be told without the broker."""
    monkeypatch.setattr(announce, "load", lambda _: {"engines": {}})
    monkeypatch.setenv("RUNTIME_DIRECTORY", str(tmp_path))
    file = tmp_path / announce.ANNOUNCED
    announcer = announce.Announcer(SimpleNamespace())

    def refused(*_: Any) -> None:
        raise OSError("no broker")

    for send, kept in ((refused, False), (lambda *_: None, True)):
        monkeypatch.setattr(announcer, "announce", send)
        announcer.due = 0.0
        announcer.tick("scan@unit")
        assert file.exists() is kept
        assert status.announced("scan@unit", file, 70)["scan@unit"]["ok"] is kept


def test_status_of_announced_engines(status: ModuleType, tmp_path: Path) -> None:
    """An engine with a problem is broken; a node that is silent is, and then nothing is known of its engines."""
    file = tmp_path / "announced.json"
    well, torn = ({"name": "yara", "problem": problem} for problem in ("", "the strings are torn"))
    file.write_text(json.dumps([well]))
    assert [part["ok"] for part in status.announced("node", file, 70).values()] == [True, True]
    file.write_text(json.dumps([well, torn]))
    found = status.announced("node", file, 70)
    assert found["engines"] == {"ok": False, "said": "yara: the strings are torn", "of": "node"}
    long_ago = time.time() - status.LATE - 1
    os.utime(file, (long_ago, long_ago))
    assert [part["ok"] for part in status.announced("node", file, 70).values()] == [False, None]
    file.write_text("[")
    found = status.announced("node", file, 70)
    assert [part["ok"] for part in found.values()] == [False, None]
    assert found["node"]["startup"] == {"seconds": 70, "nodes": ["node"]}


def test_when_engines_are_announced_first(status: ModuleType) -> None:
    """Once all are tested: the slowest may take its whole time."""
    assert status.first_due({"yara": {}, "fileinfo": {"timeout": 5}}) == 70
    assert status.first_due({"yara": {"timeout": 90}, "fileinfo": {}}) == 100
    assert status.first_due({}) == 10


@pytest.mark.parametrize(("answer", "ok"), [(403, True), (502, False), (404, False), (200, False)])
def test_status_of_the_master(status: ModuleType, server: Callable[..., SimpleNamespace], answer: int, ok: bool) -> None:
    """The master is well when it refuses a signature that is none; what else it answers is a fault."""
    assert status.look(status.fetched, server([(answer, b"")]).url)["ok"] is ok


def test_status_without_a_broker(
    status: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture, tmp_path: Path
) -> None:
    """It is the broker that is named, not the node that cannot announce anything without it."""
    monkeypatch.setattr(sys, "argv", ["worker.status", "scan@unit", str(tmp_path)])
    monkeypatch.setattr(status, "log_in", refuse(status))
    with pytest.raises(SystemExit) as ended:
        status.main()
    assert ended.value.code == 1
    parts = json.loads(capsys.readouterr().out)
    assert {name: part["ok"] for name, part in parts.items()} == {
        "broker-worker": False, "scan@unit": None, "engines": None, "fetch": False
    }  # fmt: skip
    assert "test-secret" not in str(parts)


def refuse(status: ModuleType) -> Callable[..., Any]:
    """What a login at a broker that is away comes to."""

    def log_in(conf: dict[str, Any]) -> Any:
        raise status.PartError(f"{conf['host']} does not answer")

    return log_in
