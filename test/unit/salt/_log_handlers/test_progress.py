"""The progress line: made of what Salt logs while it runs states."""

import logging
import sys
import threading
import time
from collections.abc import Callable, Iterator
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

    module.time = SimpleNamespace(monotonic=time.monotonic, sleep=sleep)
    yield module._ProgressHandler(level=logging.INFO)
    over.set()


def log(handler: logging.Handler, message: str, *arguments: str, logger: str = "salt.state") -> None:
    """One record, as Salt makes it."""
    handler.handle(logging.LogRecord(logger, logging.INFO, "state.py", 1, message, arguments, None))


def call_chunks(handler: logging.Handler, chunks: list[str]) -> None:
    """Stands where Salt's loop over the states stands."""
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
    """Only where it is asked for, and only where somebody looks."""
    module = load("_log_handlers/progress")
    for wanted, looks in ((False, False), (False, True), (True, False), (True, True)):
        monkeypatch.setenv("PHAGESCAN_PROGRESS", "1" if wanted else "")
        monkeypatch.setattr(sys.stderr, "isatty", lambda looks=looks: looks)
        assert module.__virtual__() == (wanted and looks)
