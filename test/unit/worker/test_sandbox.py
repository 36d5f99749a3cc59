"""The processes of the engines: what they answer, how they end, what is believed of them."""

import importlib
import os
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from child_processes import children, gone, until


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


CHATTERBOX = """
import json, sys, time
for number, line in enumerate(sys.stdin):
    answer = {"said": '{"name": ""}'} if number else {"version": "1", "kind": "evilness"}
    answer["id"] = json.loads(line)["id"]
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
    """Before the next scan; whoever asks it all the same is reported."""
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
    """So does one that would survive its parent, closed its pipe, or goes on after its answer; its fork is ended."""
    box = sandbox()
    box.start()
    box.options["timeout"] = box.child.timeout = 0.5
    pid = box.child.process.pid
    hide = "for flee in ('setsid', 'setpgrp'): ctypes.CDLL(None)[flee]()\nwhile True: pass"
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
    box = sandbox()
    box.start()
    box.options["timeout"] = box.child.timeout = 1
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
    box.options["timeout"] = 20
    assert box.scan(script("")).outcome == "clean"


def test_an_engine_ends_with_the_process_that_started_it(
    sandbox: Callable[..., Any], script: Callable[[str], Path]
) -> None:
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


def test_engines_scan_at_the_same_time(
    sandbox: Callable[..., Any], script: Callable[[str], Path], tmp_path: Path
) -> None:
    """Each in a fork of its own, and the forks are there together."""
    boxes = {"one": sandbox(), "other": sandbox()}
    for box in boxes.values():
        box.start()
    sample = script("while not os.path.exists(path.with_name('go')): time.sleep(0.01)")
    answers: dict[str, Any] = {}
    scan_all = importlib.import_module("worker.sandbox").scan_all
    thread = threading.Thread(target=lambda: answers.update(scan_all(boxes, sample)))
    thread.start()
    try:
        until(lambda: all(children(box.child.process.pid) for box in boxes.values()))
    finally:
        (tmp_path / "go").touch()
        thread.join()
    assert {name: answer.outcome for name, answer in answers.items()} == {"one": "clean", "other": "clean"}


def test_an_engine_answers_as_if_it_were_alone(sandbox: Callable[..., Any], script: Callable[[str], Path]) -> None:
    """The others may hang, fail or not be loaded: that changes neither its answer nor how long it took."""
    boxes = {"hangs": sandbox(timeout=1), "broken": sandbox(), "fails": sandbox(), "works": sandbox()}
    boxes["broken"].engine = "nonesuch"
    pids = {name: box.start().process.pid for name, box in boxes.items() if name != "broken"}
    sample = script(
        f"if os.getppid() == {pids['hangs']}: time.sleep(60)\n"
        f"if os.getppid() == {pids['fails']}: raise ValueError('torn')\n"
        f"found['parent'] = os.getppid()\n"
    )
    answers = importlib.import_module("worker.sandbox").scan_all(boxes, sample)
    assert list(answers) == list(boxes)
    assert {name: answer.error for name, answer in answers.items()} == {
        "hangs": "timed out after 1 s",
        "broken": "ModuleNotFoundError: No module named 'engines.nonesuch'",
        "fails": "ValueError: torn",
        "works": "",
    }
    assert answers["hangs"].outcome == "timed_out"
    assert answers["works"].metadata == {"parent": str(pids["works"])}
    assert answers["works"].duration < answers["hangs"].duration / 2
    # And the next scan is answered by the same processes, but for the one that could not be loaded.
    assert boxes["works"].child.process.pid == pids["works"]
    assert importlib.import_module("worker.sandbox").scan_all(boxes, script(""))["hangs"].outcome == "clean"
    assert {name: boxes[name].child.process.pid for name in pids} == pids


def test_a_second_chance_is_the_killed_engines_alone(
    sandbox: Callable[..., Any], script: Callable[[str], Path]
) -> None:
    """The others have answered, and do not scan again."""
    boxes = {"killed": sandbox(), "spared": sandbox()}
    pids = {name: box.start().process.pid for name, box in boxes.items()}
    sample = script(f"if os.getppid() == {pids['killed']}: time.sleep(60)\nfound['pid'] = os.getpid()")
    process = boxes["killed"].child.process

    def kill() -> None:
        until(lambda: children(pids["killed"]))
        process.kill()

    thread = threading.Thread(target=kill)
    thread.start()
    answers = importlib.import_module("worker.sandbox").scan_all(boxes, sample)
    thread.join()
    assert {name: answer.outcome for name, answer in answers.items()} == {"killed": "clean", "spared": "clean"}
    assert boxes["killed"].child.process.pid != pids["killed"]
    assert boxes["spared"].child.process.pid == pids["spared"]
    # What it is, and one scan.
    assert boxes["spared"].child.requests == 2
