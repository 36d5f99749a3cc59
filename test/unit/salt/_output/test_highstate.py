"""What a run prints at its end: a few lines, and Salt's list where that is asked for."""

from collections.abc import Callable
from typing import Any

import pytest
import salt.loader

OPTS = {"state_output": "changes", "state_verbose": False, "color": False}


@pytest.fixture
def shown(load: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[str]]:
    """Prints a run on a page of 80 columns, with options of salt-call."""
    monkeypatch.setenv("COLUMNS", "80")

    def show(*states: dict[str, Any], **opts: Any) -> list[str]:
        module = load("_output/highstate", __opts__=OPTS | opts)
        return module.output({"local": dict(_numbered(states))}).splitlines()

    return show


def _numbered(states: Any) -> list[tuple[str, Any]]:
    """As a run returns them, in no order."""
    return [
        (f"file_|-{number}_|-{number}_|-managed", state | {"__run_num__": number})
        for number, state in enumerate(states)
    ][::-1]


def state(
    identifier: str, comment: str = "", *, result: Any = True, changes: Any = None, **more: Any
) -> dict[str, Any]:
    """What one state returns."""
    named = {"__id__": identifier, "name": identifier, "duration": 500.0}
    return {**named, "result": result, "comment": comment, "changes": changes or {}, **more}


def changed(identifier: str, comment: str, **more: Any) -> dict[str, Any]:
    """One that has changed something."""
    return state(identifier, comment, changes={"diff": "<show_changes=False>"}, **more)


def test_nothing(shown: Callable[..., list[str]]) -> None:
    """A run that has nothing to do is a line."""
    assert shown(state("a", "is well"), state("b")) == ["2 states in 1.0 s: nothing changed"]


def test_changes(shown: Callable[..., list[str]]) -> None:
    """Each change is a line, in the order of the run: the ID, the name where it is not said, and what was done."""
    assert shown(
        changed("web-file", "File /etc/web updated", name="/etc/web"),
        state("other"),
        changed("web-lines", "Changed 2 lines", name="/etc/lines"),
        changed("web-folder", "The following files will be changed:\n/srv: directory - new\n"),
        changed("web-user", ""),
        changed("web-packages", f"Installed: {'x' * 99}\nNote: source http://a: 404"),
    ) == [
        "Changed:",
        "  web-file: File /etc/web updated",
        "  web-lines /etc/lines: Changed 2 lines",
        "  web-folder: The following files will be changed: /srv: directory - new",
        "  web-user: diff changed",
        f"  web-packages: Installed: {'x' * 50}...",
        "Note: source http://a: 404",
        "6 states in 3.0 s: 5 changed",
    ]


def test_preview(shown: Callable[..., list[str]]) -> None:
    """A preview says what would change; what Salt says of each file in it is left out."""
    usual = "The file /etc/web is set to be changed\nNote: No changes made, actual changes may\nbe different"
    assert shown(state("web", usual, result=None), state("b")) == [
        "Would change:",
        "  web: The file /etc/web is set to be changed",
        "2 states in 1.0 s: 1 would change",
    ]


def test_many(shown: Callable[..., list[str]]) -> None:
    """Of many changes the first are listed, and how one sees all."""
    lines = shown(*(changed(f"s{number}", "done") for number in range(40)))
    assert len(lines) == 18
    assert lines[-2:] == [
        "  and 25 more: a run with --out=highstate lists all",
        "40 states in 20.0 s: 40 changed",
    ]


def test_failures(shown: Callable[..., list[str]]) -> None:
    """What failed is said in full and last; what was not tried for that is counted. Orders to a terminal are none."""
    reason = f"restart failed (1): {'x' * 99}\nlast words\x1b[2J"
    untried = [state(f"s{n}", "One or more requisite failed: web.a", result=False) for n in range(7)]
    lines = shown(state("a", reason, result=False, warnings=["old"]), *untried, changed("b", "done"))
    assert lines == [
        "Changed:",
        "  b: done",
        "Failed:",
        f"  a: restart failed (1): {'x' * 99}",
        "      last words\ufffd[2J",
        "      Warning: old",
        "  Not tried, as they need what failed: s0, s1, s2, s3, s4, 2 more",
        "9 states in 4.5 s: 1 changed, 1 failed, 7 not tried",
    ]


def test_program_that_failed(shown: Callable[..., list[str]]) -> None:
    """What a program said is its reason, which cmd.run has among the changes."""
    said = {"pid": 7, "retcode": 1, "stdout": "a\n" * 20, "stderr": "no such host"}
    lines = shown(state("a", 'Command "ask" run', result=False, changes=said))
    assert lines[:2] == ["Failed:", '  a: Command "ask" run']
    assert lines[2:-1] == [*["      a"] * 10, "      no such host"]


def test_failhard(shown: Callable[..., list[str]]) -> None:
    """Where the configuration ends a run at its first failure that is said; Salt ends no preview by it."""
    reported = "  Not looked at: what comes after that, as failhard is set"
    failed = state("a", "no", result=False)
    assert [line for line in shown(failed, failhard=True) if line.startswith(reported)]
    for lines in (shown(failed), shown(failed, failhard=True, test=True), shown(state("a"), failhard=True)):
        assert not [line for line in lines if "failhard" in line]


@pytest.mark.parametrize("opts", [{"output": "highstate"}, {"state_output": "full"}, {"state_verbose": True}])
def test_full_list(shown: Callable[..., list[str]], opts: dict[str, Any]) -> None:
    """Salt's own list is there for who asks as Salt spells it."""
    text = "\n".join(shown(changed("web-file", "File updated"), **opts))
    assert "Comment: File updated" in text
    assert "changed=1" in text


def test_no_run(load: Callable[..., Any]) -> None:
    """What is no run, as a top file that cannot be rendered, is printed by Salt."""
    module = load("_output/highstate", __opts__=OPTS)
    assert "Data failed to compile" in module.output({"local": ["Rendering SLS 'web' failed"]})
    assert "Total states run" in module.output({"local": {}})


def test_salt_takes_it(minion: Callable[..., Any]) -> None:
    """Salt takes this outputter for every function of state, and its own for others."""
    outputters = salt.loader.outputters(minion().opts | OPTS)
    states = dict(_numbered([state("a")]))
    assert outputters["highstate"]({"local": states}) == "1 state in 0.5 s: nothing changed"
    assert outputters["nested"]({"local": True}) == "local:\n    True"
