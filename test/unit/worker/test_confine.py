"""What is taken away from an engine and its samples."""

import importlib
import os
from collections.abc import Callable
from pathlib import Path
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
found["pipes"] = 0
for number in range(64):
    try: found["pipes"] += stat.S_ISFIFO(os.fstat(number).st_mode)
    except OSError: pass
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


def probe(box: Any) -> list[str]:
    """Return what of the confinement this kernel does not offer."""
    child = importlib.import_module("worker.sandbox").Child(box.engine, box.options)
    try:
        return child.wait(20)["missing"]
    finally:
        child.end()
