"""What a worker's node tells of itself."""

import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest


def test_status_of_announced_engines(status: Any, tmp_path: Path) -> None:
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


def test_status_of_a_renamed_host(status: Any, tmp_path: Path) -> None:
    """The worker goes on under the name that its host had, which is degraded; and so is one without some rules."""
    file = tmp_path / "announced.json"
    engine = {"name": "yara", "problem": "", "warning": "without mine.yar(3): no such rule"}
    file.write_text(json.dumps({"node": "scan@old", "engines": [engine]}))
    found = status.announced("scan@new", file, 70)
    assert [(part["ok"], part["degraded"]) for part in found.values()] == [(True, True), (True, True)]
    assert "works as scan@old" in found["scan@new"]["said"]
    assert found["engines"]["said"] == "yara: without mine.yar(3): no such rule"
    engine["problem"] = "the strings are torn"
    file.write_text(json.dumps({"node": "scan@new", "engines": [engine]}))
    found = status.announced("scan@new", file, 70)
    assert "degraded" not in found["scan@new"]
    assert found["engines"]["ok"] is False


@pytest.mark.parametrize(("answer", "ok"), [(403, True), (502, False), (404, False), (200, False)])
def test_status_of_the_master(status: Any, server: Callable[..., SimpleNamespace], answer: int, ok: bool) -> None:
    """The master is well when it refuses a signature that is none; what else it answers is a fault."""
    assert status.look(status.fetched, server([(answer, b"")]).url)["ok"] is ok


def test_status_without_a_broker(
    status: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture, tmp_path: Path
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


def refuse(status: Any) -> Callable[..., Any]:
    """What a login at a broker that is away comes to."""

    def log_in(conf: dict[str, Any]) -> Any:
        raise status.PartError(f"{conf['host']} does not answer")

    return log_in
