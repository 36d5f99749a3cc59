"""What is taken away from an engine and its samples."""

import importlib
import os
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import tree

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
found["pipes"] = found["folders"] = 0
for number in range(64):
    try: mode = os.fstat(number).st_mode
    except OSError: continue
    found["pipes"] += stat.S_ISFIFO(mode)
    found["folders"] += stat.S_ISDIR(mode)
"""
"""What a sample that has taken over its engine would try."""


def test_nothing_that_a_sample_does_to_its_engine_outlives_its_scan(
    sandbox: Callable[..., Any], script: Callable[[str], Path], tmp_path: Path
) -> None:
    """It comes neither to the process above, nor to other samples, nor to what leads to the worker: one pipe is its
    own.
    """
    (tmp_path / "another").touch()
    box = sandbox()
    landlock = "no Landlock" not in str(probe(box))
    answer = box.scan(script(EVIL))
    assert (answer.error, answer.metadata["pipes"], answer.metadata["folders"]) == ("", "1", "0")
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


@pytest.mark.parametrize("lack", tree.KERNELS)
def test_attacks(sandbox: Callable[..., Any], tmp_path: Path, lack: str) -> None:
    """What SECURITY.md promises of an engine that a sample has taken over holds, whatever the kernel lacks."""
    hostile = tree.ROOT / "test" / "host" / "support" / "hostile.py"
    (tmp_path / "project" / "engines" / f"hostile{lack}.py").write_text(hostile.read_text())
    box = sandbox()
    box.engine = f"hostile{lack}"
    sample = tmp_path / "sample"
    sample.write_text("attack")
    answer = box.scan(sample)
    assert answer.error == ""
    done = dict(answer.metadata)
    assert int(done.pop("attempts")) > 100
    assert {name: how for name, how in done.items() if name not in tree.remaining(lack)} == {}


def test_what_cannot_be_confined_does_not_scan(project: Path) -> None:
    """Neither when the rules for a fork cannot be made, nor when it cannot have them, nor without them."""
    child, confine = importlib.import_module("worker.child"), importlib.import_module("worker.confine")
    try:
        fence = confine.Fence(["/usr"])
    except OSError:
        pytest.skip("this kernel has no Landlock")
    engine, scanned = SimpleNamespace(connected=nullcontext), {"scanned": True}
    missing = child.attempt(engine, fence.around(["/nonesuch"]), lambda _: scanned, 5.0)
    assert missing == {"error": "FileNotFoundError: [Errno 2] No such file or directory: '/nonesuch'"}
    without = child.in_a_fork(lambda: fence.enter() or scanned, 5.0)
    assert without == {"said": '{"error": "OSError: [Errno 9] Bad file descriptor"}'}
    fence.filter.program.length = 0

    def confined(enclose: Callable[[], None]) -> dict[str, Any]:
        confine.libc.prctl(confine.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
        enclose()
        return scanned

    unfiltered = child.attempt(engine, fence.around([]), confined, 5.0)
    assert "seccomp: Invalid argument" in unfiltered["said"]
    fence.landlock.close()


def test_a_forks_number_is_compared_with_nothing_but_whom_it_signals(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a container it may be as low as the number of a system call."""
    child, syscalls = importlib.import_module("worker.child"), importlib.import_module("worker.syscalls")
    confine = importlib.import_module("worker.confine")
    made, above = syscalls.fork_filter(), os.getpid()
    assert made.own

    def work() -> dict[str, Any]:
        monkeypatch.setattr(syscalls.os, "getpid", lambda: 1)
        confine.libc.prctl(confine.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
        made.install()
        with pytest.raises(PermissionError):
            os.kill(above, 0)
        return {"parent": os.getppid()}

    assert child.in_a_fork(work, 5.0) == {"said": f'{{"parent": {above}}}'}


def probe(box: Any) -> list[str]:
    """Return what of the confinement this kernel does not offer."""
    child = importlib.import_module("worker.sandbox").Child(box.engine, box.options)
    try:
        return child.wait(20)["missing"]
    finally:
        child.end()
