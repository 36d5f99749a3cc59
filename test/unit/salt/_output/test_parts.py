"""The parts of a host as lines."""

from collections.abc import Callable
from typing import Any


def test_output(load: Callable[..., Any]) -> None:
    """A line a part, and the log below it."""
    parts = {
        "web": {"ok": False, "said": "no page", "log": ["1", "2"]},
        "beat": {"ok": None, "said": "not known", "log": []},
        "fetch": {"ok": True, "said": "well", "log": []},
        "engines": {"ok": True, "degraded": True, "said": "without a rule", "log": []},
    }
    assert load("_output/parts").output({"local": parts}).splitlines() == [
        "BROKEN   web      no page",
        "          1",
        "          2",
        "-        beat     not known",
        "ok       fetch    well",
        "degraded engines  without a rule",
    ]
    assert load("_output/parts").output({"local": "text"}) == "text"


def test_orders_to_a_terminal(load: Callable[..., Any]) -> None:
    """What came from elsewhere is shown, and does nothing."""
    parts = {"engines": {"ok": False, "said": "yara: \x1b]0;root\x07", "log": ["a\x1b[2Jb"]}}
    shown = load("_output/parts").output({"local": parts})
    assert "\x1b" not in shown
    assert "yara: \ufffd]0;root\ufffd" in shown
