"""Announcements of a worker's engines."""

import math
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest


def test_the_announcer_is_part_of_the_worker_only(announce: Any, project: Path) -> None:
    """It registers itself where its module is imported, which this configuration alone does."""
    assert announce.Announcer in announce.app.steps["consumer"]
    assert "worker.announce" in announce.app.conf.imports
    for name in ("master", "results", "periodic"):
        assert "worker." not in (project / f"{name}celeryconfig.py").read_text()


def test_engines_are_announced_when_they_were_probed(announce: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """At once when something is known or changes, and again in time."""
    sent = []
    announcer = announce.Announcer(SimpleNamespace())
    monkeypatch.setattr(announcer, "announce", lambda node, engines: sent.append((node, engines)))
    monkeypatch.setattr(announcer.probes, "tick", lambda pool: None)
    announcer.tick("scan@unit", None)
    assert sent == []
    well = {"name": "yara", "problem": "", "version": "1", "warning": "", "missing": ""}
    for state, count in ((well, 1), (well, 1), (well | {"problem": "the strings are torn"}, 2)):
        announcer.probes.engines = [state]
        announcer.tick("scan@unit", None)
        assert (len(sent), sent[-1]) == (count, ("scan@unit", [state]))
    announcer.due = 0.0
    announcer.tick("scan@unit", None)
    assert len(sent) == 3


def known(announce: Any) -> Any:
    """Make an announcer that has something to announce."""
    announcer = announce.Announcer(SimpleNamespace())
    announcer.probes.due = math.inf
    announcer.probes.engines = [{"name": "yara", "problem": "", "version": "1", "warning": "", "missing": ""}]
    return announcer


def test_announcing_never_harms_the_worker(announce: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a broker it fails soon, and the next attempt makes a new connection."""
    announcer = known(announce)
    monkeypatch.setattr(announce.app.conf, "broker_write_url", "amqp://127.0.0.1:1//")
    begin = time.monotonic()
    announcer.tick("scan@unit", None)
    assert time.monotonic() - begin < 5
    assert announcer.connection is None
    assert announcer.due > begin


def test_what_was_announced_is_kept(
    announce: Any, status: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """In the service's directory, once the broker has taken it, so that the node's state can be known without the
    broker.
    """
    monkeypatch.setenv("RUNTIME_DIRECTORY", str(tmp_path))
    file = tmp_path / announce.ANNOUNCED
    announcer = known(announce)

    def refused(*_: Any) -> None:
        raise OSError("no broker")

    for send, kept in ((refused, False), (lambda *_: None, True)):
        monkeypatch.setattr(announcer, "announce", send)
        announcer.due = 0.0
        announcer.tick("scan@unit", None)
        assert file.exists() is kept
        assert status.announced("scan@unit", file, 70)["scan@unit"]["ok"] is kept
