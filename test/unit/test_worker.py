"""The scan worker: processes for engines, fetching, its task, its announcements and its configuration."""

import http.server
import importlib
import json
import logging
import os
import signal
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
[broker]
host = "127.0.0.1"
port = 5672
vhost = "phage"
user = "worker"
password = "test-secret"
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
        exec(path.read_text(), globals() | {"found": found})
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


def test_many_scans_use_one_process(sandbox: Callable[..., Any], script: Callable[[str], Path]) -> None:
    """Which is replaced when it has done its share."""
    box = sandbox()
    answers = [box.scan(script("found['pid'] = os.getpid()")) for _ in range(5)]
    assert {answer.outcome for answer in answers} == {"clean"}
    assert {answer.engine_version for answer in answers} == {"1"}
    assert len({answer.metadata["pid"] for answer in answers}) == 1
    box.child.scans = 999
    assert box.scan(script("found['pid'] = os.getpid()")).metadata == answers[0].metadata
    assert box.child is None
    assert box.scan(script("found['pid'] = os.getpid()")).metadata != answers[0].metadata


@pytest.mark.parametrize(
    ("code", "error"),
    [
        ("raise ValueError('two\\nlines')", "ValueError: two lines"),
        ("raise KeyboardInterrupt", "crashed: SIGINT"),
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
    """By the name of the signal or of the exception; the process is gone, and another one does the next scan."""
    box = sandbox()
    box.start()
    pid = box.child.process.pid
    answer = box.scan(script(code))
    assert (answer.outcome, answer.error, answer.engine_version) == ("error", error, "1")
    assert gone(pid)
    assert box.scan(script("")).outcome == "clean"


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
    code = f"if os.getpid() == {first}: os.kill(os.getpid(), 9)"
    assert box.scan(script(code)).outcome == "clean"
    answer = box.scan(script("os.kill(os.getpid(), 9)"))
    assert (answer.outcome, answer.error) == ("error", "crashed: SIGKILL")


def test_an_engine_that_hangs_times_out(sandbox: Callable[..., Any], script: Callable[[str], Path]) -> None:
    """Also one that ignores what can be ignored; its process is ended."""
    box = sandbox(timeout=0.5)
    box.start()
    pid = box.child.process.pid
    answer = box.scan(script("while True: pass"))
    assert (answer.outcome, answer.error) == ("timed_out", "timed out after 0.5 s")
    assert 0.5 <= answer.duration < 5
    assert gone(pid)
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
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    until(lambda: gone(child))
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

    def start(answers: list[tuple[int, bytes] | tuple[int, bytes, dict[str, str]]]) -> SimpleNamespace:
        state = SimpleNamespace(paths=[])

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:  # noqa: N802
                state.paths.append(self.path)
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
        threading.Thread(target=httpd.serve_forever, args=(0.01,), daemon=True).start()
        running.append(httpd)
        state.address = httpd.server_address
        state.url = f"http://127.0.0.1:{httpd.server_address[1]}"
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
    """Which is gone afterwards; the path is that of the task, below that of the master."""
    body = os.urandom(300_000)
    master = server([(200, body)])
    with fetch.sample(master.url + "/scan/", "/fetch/signed:x/") as path:
        assert path.read_bytes() == body
        assert path.stat().st_mode & 0o777 == 0o600
    assert not path.exists()
    assert master.paths == ["/scan/fetch/signed:x/"]


def test_an_empty_sample_is_a_sample(fetch: ModuleType, server: Callable[..., SimpleNamespace]) -> None:
    """Of no bytes."""
    with fetch.sample(server([(200, b"")]).url, "/fetch/x/") as path:
        assert path.read_bytes() == b""


@pytest.mark.parametrize(("status", "reason"), [(204, "verdict already"), (403, "signature"), (410, "set the sample aside")])
def test_some_answers_end_the_task(
    fetch: ModuleType, server: Callable[..., SimpleNamespace], status: int, reason: str, tmp_path: Path
) -> None:
    """At the first attempt, and nothing stays behind."""
    master = server([(status, b"")])
    with pytest.raises(fetch.UnwantedError, match=reason), fetch.sample(master.url, "/fetch/x/"):
        pass
    assert len(master.paths) == 1
    assert not list((tmp_path / "tmp").iterdir())


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
    with fetch.sample(master.url, "/fetch/x/") as path:
        assert path.read_bytes() == b"all"
    assert master.paths == ["/fetch/x/"] * 3


def test_a_master_that_stays_away_is_given_up(
    fetch: ModuleType, server: Callable[..., SimpleNamespace], monkeypatch: pytest.MonkeyPatch
) -> None:
    """With its last error."""
    monkeypatch.setattr(fetch, "PATIENCE", 0.2)
    master = server([(503, b"")])
    with pytest.raises(fetch.AwayError, match="status 503"), fetch.sample(master.url, "/fetch/x/"):
        pass
    assert len(master.paths) > 1
    with pytest.raises(fetch.AwayError, match="refused"), fetch.sample("http://127.0.0.1:1", "/fetch/x/"):
        pass


def test_what_killed_workers_left_is_removed(fetch: ModuleType, tmp_path: Path) -> None:
    """Old samples only, and nothing of anyone else's."""
    files = {name: tmp_path / "tmp" / name for name in ("phagescan-sample-old", "phagescan-sample-new", "other")}
    for path in files.values():
        path.touch()
    for name in ("phagescan-sample-old", "other"):
        os.utime(files[name], (0, 0))
    fetch.remove_leftovers()
    assert [name for name, path in files.items() if path.exists()] == ["phagescan-sample-new", "other"]


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
        return tasks.scan.run(engine, "/fetch/x/")
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
