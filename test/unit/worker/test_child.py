"""The process that has loaded an engine, and its forks."""

import importlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from child_processes import until


def test_a_fork_that_is_refused_is_the_hosts_fault(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And leaves no pipe open."""
    child = importlib.import_module("worker.child")

    def refuse() -> int:
        raise OSError(12, "Cannot allocate memory")

    monkeypatch.setattr(child.os, "fork", refuse)
    before = len(os.listdir("/proc/self/fd"))
    assert child.in_a_fork(dict, 1.0) == {"error": "worker: Cannot allocate memory"}
    assert len(os.listdir("/proc/self/fd")) == before


def test_what_an_engine_prints_is_not_taken_for_an_answer(
    sandbox: Callable[..., Any], script: Callable[[str], Path]
) -> None:
    """Neither from Python nor from C."""
    box = sandbox()
    answer = box.scan(
        script("print('{}', flush=True); os.write(1, b'{}\\n'); os.write(2, b'{}\\n'); found['reported'] = 1")
    )
    assert (answer.outcome, answer.metadata) == ("clean", {"reported": "1"})


def test_what_the_database_does_not_take_is_replaced(
    sandbox: Callable[..., Any], script: Callable[[str], Path]
) -> None:
    """NUL and lone surrogates."""
    answer = sandbox().scan(script("found['a\\0'] = 'b\\0\\ud800'"))
    assert answer.metadata == {"a\N{REPLACEMENT CHARACTER}": "b\N{REPLACEMENT CHARACTER}?"}


def test_a_service_manager_that_stops_everything_stops_no_scan(
    sandbox: Callable[..., Any], script: Callable[[str], Path]
) -> None:
    """The worker ends its scans before it ends."""
    code = "import signal\nfor number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP): os.kill(os.getpid(), number)"
    assert sandbox().scan(script(code)).outcome == "clean"


def test_a_fork_does_not_make_again_what_it_has(sandbox: Callable[..., Any], script: Callable[[str], Path]) -> None:
    """Python's own modules seed again in each fork unless they are kept from it."""
    box, sample = sandbox(), script("import random\nfound['number'] = random.random()")
    assert box.scan(sample).metadata == box.scan(sample).metadata


def test_an_engine_that_cannot_be_loaded_is_an_error(
    sandbox: Callable[..., Any], script: Callable[[str], Path]
) -> None:
    """It says which module."""
    box = sandbox()
    box.engine = "nonesuch"
    answer = box.scan(script(""))
    assert (answer.outcome, answer.error) == ("error", "ModuleNotFoundError: No module named 'engines.nonesuch'")


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


@pytest.mark.parametrize("code", ["if not os.fork(): time.sleep(600)", "subprocess.Popen(['/usr/bin/sleep', '600'])"])
def test_nothing_goes_on_after_a_scan(sandbox: Callable[..., Any], script: Callable[[str], Path], code: str) -> None:
    """What a fork that may start programs leaves behind ends with the process, and is no scan's."""
    box = sandbox(timeout=2)
    engine = importlib.import_module("worker.sandbox").PROGRAM.parents[1] / "engines" / "puppet.py"
    engine.write_text(engine.read_text().replace('name = "puppet"', 'name = "puppet"\n    programs = True'))
    group = box.start().process.pid
    answer = box.scan(script(code))
    assert (answer.outcome, answer.error) == ("error", "crashed: exit code 1")
    until(lambda: not [pid for pid in pids() if group_of(pid) == group])


def pids() -> list[int]:
    """Return the numbers of all processes."""
    return [int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit()]


def group_of(pid: int) -> int:
    """Return the process group of a process that has not ended; 0 of one that has."""
    try:
        state, _, group = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[:3]
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return 0 if state == "Z" else int(group)
