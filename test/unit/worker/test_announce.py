"""Announcements of a worker's engines."""

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from child_processes import until


def test_the_announcer_is_part_of_the_worker_only(announce: Any, project: Path) -> None:
    """It registers itself where its module is imported, which this configuration alone does."""
    assert announce.Announcer in announce.app.steps["consumer"]
    assert "worker.announce" in announce.app.conf.imports
    for name in ("master", "results", "periodic"):
        assert "worker." not in (project / f"{name}celeryconfig.py").read_text()


def test_engines_are_announced_when_they_were_tested(announce: Any, monkeypatch: pytest.MonkeyPatch) -> None:
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
    announce: Any, sandbox: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
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


def test_a_self_test_that_hangs_is_a_problem(announce: Any, sandbox: Callable[..., Any]) -> None:
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


def test_announcing_never_harms_the_worker(announce: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a broker it fails soon, and the next attempt makes a new connection."""
    monkeypatch.setattr(announce, "load", lambda _: {"engines": {}})
    announcer = announce.Announcer(SimpleNamespace())
    monkeypatch.setattr(announce.app.conf, "broker_write_url", "amqp://127.0.0.1:1//")
    begin = time.monotonic()
    announcer.tick("scan@unit")
    assert time.monotonic() - begin < 5
    assert announcer.connection is None
    assert announcer.due > begin


def test_what_was_announced_is_kept(
    announce: Any, status: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """In the service's directory, once the broker has taken it, so that the node's state can be told without the
    broker.
    """
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
