"""What engines say of a sample with all that is inside it."""

import importlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from containers import zipped


@pytest.fixture
def judge(project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Any]]:
    """Has engines scan bytes, and returns the answers."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    module, sandbox, opening, inside = (
        importlib.import_module(f"worker.{name}") for name in ("judge", "sandbox", "unpack.opening", "unpack.inside")
    )
    opener = opening.Opening({"memory": 1024, "timeout": 60})
    boxes = {name: sandbox.Sandbox(name, {"timeout": 20}) for name in ("yara", "fileinfo")}

    def scan(data: bytes, **limits: int) -> Any:
        (tmp_path / "sample").write_bytes(data)
        values = {"depth": 8, "members": 30, "size": 64 << 20, "seconds": 60, "ratio": 1000} | limits
        return module.judge(boxes, opener, tmp_path / "sample", inside.Limits(**values), [])

    yield scan
    for box in (*boxes.values(), opener):
        box.stop()
    assert [path for path in tmp_path.glob("phagescan-worker-*/*") if path.is_dir()] == []


def test_judge(judge: Callable[..., Any], project: Path) -> None:
    """A sample is infected where a member is, which is named; what was not looked into is never free of detections."""
    eicar = importlib.import_module("engines").EICAR
    inner = zipped(("a.txt", b"A text.\n"), ("bad.com", eicar))

    answers = judge(zipped(("inner.zip", inner)))
    assert (answers["yara"].outcome, answers["yara"].name) == ("infected", "EICAR_Test_File")
    assert answers["yara"].metadata["member"] == "inner.zip/bad.com"
    assert answers["fileinfo"].outcome == "described"
    assert "member" not in answers["fileinfo"].metadata

    clean = judge(zipped(("a.txt", b"A text.\n"), ("b.txt", b"Another.\n")))["yara"]
    assert (clean.outcome, clean.error, clean.metadata["members"]) == ("clean", "", "2")

    beyond = judge(zipped(("inner.zip", inner)), depth=1)["yara"]
    assert (beyond.outcome, beyond.error) == (
        "error",
        "not looked into: inner.zip/? (limit: beyond phagescan:unpack:depth)",
    )

    more = judge(zipped(*((f"{number}.zip", zipped((f"{number}", b"%d" % number))) for number in range(25))), depth=1)
    assert more["yara"].error.endswith("; and 5 more")


def test_a_member_that_ends_an_engine(judge: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """It is named, and the sample is not called free of detections."""
    module = importlib.import_module("worker.judge")
    plain = module.scan_all

    def crash(boxes: Any, path: Path) -> Any:
        if path.name == "2":
            return dict.fromkeys(boxes, module.Answer("error", error="crashed: SIGSEGV"))
        return plain(boxes, path)

    monkeypatch.setattr(module, "scan_all", crash)
    answer = judge(zipped(("a", b"1"), ("b", b"2"), ("c", b"3")))["yara"]
    assert (answer.outcome, answer.error) == ("error", "b: crashed: SIGSEGV")
