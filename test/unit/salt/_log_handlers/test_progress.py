"""The progress line: made of what Salt logs while it runs states."""

import logging
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest


@pytest.fixture
def handler(load: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> Iterator[logging.Handler]:
    """A handler on a terminal of 60 columns, whose thread does nothing after the test."""
    monkeypatch.setenv("COLUMNS", "60")
    module, over = load("_log_handlers/progress"), threading.Event()

    def sleep(seconds: float) -> None:
        if over.wait(seconds):
            threading.Event().wait()  # for good: nothing ends the thread

    module.time = SimpleNamespace(monotonic=time.monotonic, time=time.time, sleep=sleep)
    monkeypatch.setattr(module.sys.stderr, "isatty", lambda: True)
    yield module._ProgressHandler(level=logging.INFO)
    over.set()


def log(handler: logging.Handler, message: str, *arguments: str, logger: str = "salt.state") -> None:
    """One record, as Salt makes it."""
    handler.handle(logging.LogRecord(logger, logging.INFO, "state.py", 1, message, arguments, None))


def call_chunks(handler: logging.Handler, chunks: list[str]) -> None:
    """Takes the place of Salt's loop over the states."""
    for name in chunks:
        log(handler, "Running state [%s] at time %s", name, "12:00")
        log(handler, "Completed state [%s] at time %s (duration_in_ms=%s)", name, "12:00", "1")


def drawn(capsys: pytest.CaptureFixture[str]) -> list[str]:
    """The lines that were seen one after another."""
    return capsys.readouterr().err.split("\r\033[K")[1:]


def test_counts_and_draws(handler: logging.Handler, capsys: pytest.CaptureFixture[str]) -> None:
    """Each state has its number of the total while it runs, and the line is empty afterwards."""
    call_chunks(handler, ["nginx", "/etc/nginx/nginx.conf"])
    assert drawn(capsys) == ["[1/2] nginx", "", "[2/2] /etc/nginx/nginx.conf", ""]


def test_called_again(handler: logging.Handler, capsys: pytest.CaptureFixture[str]) -> None:
    """A state that Salt calls once more than its list has it is not the third of two."""

    def call_chunks(chunks: list[str]) -> None:
        for name in (*chunks, "nginx"):
            log(handler, "Running state [%s] at time %s", name, "12:00")

    call_chunks(["nginx", "site"])
    assert drawn(capsys)[-1] == "[3/3] nginx"


def test_seconds(handler: Any, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """A state that takes its time shows how long; one that is done shows nothing more."""
    log(handler, "Running state [%s] at time %s", "slow", "12:00")
    monkeypatch.setattr(handler, "_since", handler._since - 75)
    handler._draw()
    assert drawn(capsys)[-1] == "[1/0] slow  75 s"
    log(handler, "Completed state [%s] at time %s (duration_in_ms=%s)", "slow", "12:00", "1")
    handler._draw()
    assert drawn(capsys)[-1] == ""


def test_width(handler: logging.Handler, capsys: pytest.CaptureFixture[str]) -> None:
    """A line never wraps."""
    call_chunks(handler, ["x" * 200])
    assert len(drawn(capsys)[0]) == 59


def test_other_records(handler: logging.Handler, capsys: pytest.CaptureFixture[str]) -> None:
    """What else is logged draws nothing."""
    log(handler, "Running state [%s] at time %s", "nginx", "12:00", logger="salt.minion")
    log(handler, "Executing command %s", "true")
    handler.handle(logging.LogRecord("salt.state", logging.INFO, "state.py", 1, {"no": "text"}, None, None))
    assert drawn(capsys) == []


def test_virtual(load: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """Where it is asked for, or where somebody looks."""
    module = load("_log_handlers/progress")
    for wanted, looks in ((False, False), (False, True), (True, False), (True, True)):
        monkeypatch.setenv("PHAGESCAN_PROGRESS", "1" if wanted else "")
        monkeypatch.setattr(sys.stderr, "isatty", lambda looks=looks: looks)
        assert module.__virtual__() == (wanted or looks)


def test_what_it_is_at(handler: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """What our states say they are at is in the line; without a terminal it is a line, as is each phase."""
    log(handler, "Running state [%s] at time %s", "web", "12:00")
    log(handler, "waiting for %s", "PID 7 (apt)", logger="progress")
    assert drawn(capsys)[-1] == "[1/0] web: waiting for PID 7 (apt)"
    handler._terminal = False
    log(handler, "fetching package lists", logger="progress")
    for name in ("nginx.install", "nginx.config", "celery"):
        call(handler, {"__sls__": name})
    assert capsys.readouterr().err == "fetching package lists\n[2/0] nginx\n[4/0] celery\n"


def call(handler: logging.Handler, low: dict[str, str]) -> None:
    """Stands where Salt runs one state."""
    assert low
    log(handler, "Running state [%s] at time %s", "name", "12:00")


def test_package(load: Callable[..., Any], tmp_path: Path) -> None:
    """The package that dpkg is at has its name in dpkg's log; an old log says nothing."""
    module = load("_log_handlers/progress")
    module.DPKG = tmp_path / "dpkg.log"
    assert module._package() == ""
    module.DPKG.write_text("2026-11-27 03:00:00 status unpacked nginx:amd64 1.26\n")
    assert module._package() == "nginx"
    os.utime(module.DPKG, (0, 0))
    assert module._package() == ""


def test_before_the_first_state(
    handler: Any, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run says that it reads, until its first state; another call says nothing, but what it asks; nothing is left."""
    log(handler, "asking the sources of packages", logger="progress")
    assert drawn(capsys) == ["asking the sources of packages"]
    log(handler, "", logger="progress")
    assert drawn(capsys) == [""]
    monkeypatch.setattr(sys, "argv", ["salt-call", "--local", "state.highstate"])
    starting = type(handler)(level=logging.INFO)
    starting._terminal = True
    assert starting._doing == "reading pillar and states"
    call_chunks(starting, ["nginx"])
    assert drawn(capsys) == ["[1/1] nginx", ""]
    starting._terminal = False
    log(starting, "", logger="progress")
    assert capsys.readouterr().err == ""
