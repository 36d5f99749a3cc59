"""What shows that scans work."""

import importlib
import resource
import signal
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest


@pytest.fixture
def probe(project: Any, fetch: Any) -> Iterator[Any]:
    """The module; its engines are ended afterwards."""
    module = importlib.import_module("worker.probe")
    yield module
    sandboxes = importlib.import_module("worker.tasks").sandboxes
    for box in sandboxes.values():
        box.stop()
    sandboxes.clear()


def test_well(probe: Any, fetch: Any) -> None:
    """Engines that scan have no problem, and no file is left."""
    yara, fileinfo = probe.probe()
    assert (yara["name"], yara["kind"], yara["problem"]) == ("yara", "evilness", "")
    assert (fileinfo["name"], fileinfo["kind"], fileinfo["problem"]) == ("fileinfo", "metadata", "")
    assert "rules" in yara["version"]
    assert list(fetch.directory().iterdir()) == []


def test_file_size_limit(probe: Any) -> None:
    """A process that can write no sample says so: this is what prlimit by an engine came to."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, before[1]))
    try:
        states = probe.probe()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, ignored)
    assert {state["problem"] for state in states} == {"worker: File too large"}


class Box:
    """A sandbox that gives these answers."""

    finds_eicar = True

    def __init__(self, *answers: Any) -> None:
        """Take them."""
        self.answers = iter(answers)

    def scan(self, path: Any) -> Any:
        """Give the next one."""
        outcome, error = next(self.answers)
        return SimpleNamespace(outcome=outcome, error=error, name="Everything")


@pytest.mark.parametrize(
    ("answers", "problem"),
    [
        ((("clean", ""), ("infected", "")), ""),
        ((("error", "torn"),), "cannot scan a harmless text: torn"),
        ((("infected", ""),), "takes a harmless text for Everything"),
        ((("clean", ""), ("clean", "")), "does not find the EICAR test file"),
        ((("clean", ""), ("timed_out", "timed out after 1 s")), "cannot scan the EICAR test file: timed out after 1 s"),
    ],
)
def test_problem(probe: Any, answers: tuple, problem: str) -> None:
    """What an engine says of a file with a known answer is compared with it."""
    assert probe.problem(Box(*answers)) == problem


class Pool:
    """A pool of two processes, that is answered for by the test."""

    num_processes = 2

    def __init__(self) -> None:
        """Have nothing to do."""
        self.asked: list[Any] = []

    def apply_async(self, target: Any, args: Any, callback: Any, error_callback: Any) -> None:
        """Take a task."""
        self.asked.append(SimpleNamespace(answer=callback, fail=error_callback))


def state(name: str, problem: str = "") -> dict[str, str]:
    """Return what a process finds of an engine."""
    return {"name": name, "kind": "evilness", "version": "1", "problem": problem, "warning": "", "missing": ""}


def test_every_process(probe: Any) -> None:
    """Each is probed; what one of them has a problem with is the worker's problem, and probed again soon."""
    pool, probes = Pool(), probe.Probes({"yara": {}, "fileinfo": {}})
    probes.tick(pool)
    assert (len(pool.asked), probes.engines) == (2, [])
    pool.asked[0].answer([state("yara"), state("fileinfo")])
    assert probes.engines == []
    pool.asked[1].answer([state("yara"), state("fileinfo", "torn")])
    assert [each["problem"] for each in probes.engines] == ["", "torn"]
    probes.tick(pool)
    assert len(pool.asked) == 2
    probes.due = 0.0
    probes.tick(pool)
    assert len(pool.asked) == 4
    # One that is killed in the middle of it is replaced by the pool, and says nothing of the engines.
    pool.asked[2].fail(SimpleNamespace(exception="killed"))
    pool.asked[3].answer([state("yara"), state("fileinfo")])
    assert [each["problem"] for each in probes.engines] == ["", ""]


def test_connection_is_lost(probe: Any) -> None:
    """What the pool may have thrown away with the connection is asked again at once; what it had answered is kept."""
    pool, probes = Pool(), probe.Probes({"yara": {}, "fileinfo": {}})
    probes.tick(pool)
    pool.asked[0].answer([state("yara"), state("fileinfo")])
    probes.begin_again()
    probes.tick(pool)
    assert len(pool.asked) == 4
    pool.asked[1].answer([state("yara"), state("fileinfo")])  # of the round before
    assert probes.engines == []
    for task in pool.asked[2:]:
        task.answer([state("yara"), state("fileinfo")])
    assert [each["problem"] for each in probes.engines] == ["", ""]
    probes.begin_again()
    probes.tick(pool)
    assert len(pool.asked) == 4


def test_silence(probe: Any) -> None:
    """A pool that does not answer, or whose processes all end, is every engine's problem, until it answers again."""
    pool, probes = Pool(), probe.Probes({"yara": {"timeout": 1}, "fileinfo": {}})
    assert probes.timeout == probe.fetch.PATIENCE + 2 * 65
    probes.tick(pool)
    for task in pool.asked:
        task.answer([state("yara"), state("fileinfo")])
    silence = f"the pool has scanned nothing for {probes.timeout:g} s"
    for _ in range(2):
        probes.due = 0.0
        probes.tick(pool)
    assert {each["problem"] for each in probes.engines} == {silence}
    assert [each["version"] for each in probes.engines] == ["1", "1"]
    for late in pool.asked[2:4]:
        late.answer([state("yara"), state("fileinfo")])
    assert {each["problem"] for each in probes.engines} == {silence}
    for task in pool.asked[4:]:
        task.fail(SimpleNamespace(exception="killed"))
    assert {each["problem"] for each in probes.engines} == {"killed"}
