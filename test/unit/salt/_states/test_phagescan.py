"""A new password is proved to let in, and the one before it to let in no longer."""
# ruff: noqa: D103  (the names of the tests say it)

from collections.abc import Callable
from typing import Any

import pytest

OLD = {"user": "master", "password": "old-broker"}
NEW = {"user": "master", "password": "new-broker"}
FILE = "/etc/phagescan/master.toml"
REFUSED = "refused: ACCESS_REFUSED"


@pytest.fixture
def rotate(load: Callable[..., Any]) -> Callable[..., tuple[dict[str, Any], list[Any]]]:
    """Runs both states around a change of the settings; returns what `rotated` said, and which logins it tried."""

    def run(before: dict[str, Any], after: dict[str, Any], said: list[str], *, test: bool = False) -> Any:
        settings, tried = [before, after], []

        def answers(logins: list[Any], python: Any) -> list[str]:
            assert python.keywords == {"user": "reader"}
            tried.extend(logins)
            return said

        module = load(
            "_states/phagescan",
            __salt__={"pillar.get": lambda _key, unmask: {}},
            __utils__={
                "logins.read": lambda _: settings.pop(0),
                "logins.answers": answers,
                "health.site": dict,
                "django_site.python": print,
            },
            __context__={},
            __opts__={"test": test},
        )
        module.noted(FILE)
        return module.rotated(FILE, "reader"), tried

    return run


def test_only_what_changed_is_tried(rotate: Callable[..., Any]) -> None:
    reported, tried = rotate(OLD, NEW, ["", REFUSED])
    assert tried == [NEW, OLD]
    assert (reported["result"], reported["changes"]) == (True, {})
    assert (
        reported["comment"] == "master at the broker: the new password lets in, the old one is refused: ACCESS_REFUSED"
    )


@pytest.mark.parametrize(
    ("said", "result", "words"),
    [
        (["", ""], False, "the old password still lets in"),
        ([REFUSED, REFUSED], False, "the new password is refused"),
        ([REFUSED, ""], False, "the new password is refused"),
        (["timed out", "timed out"], True, "not proved, timed out"),
        (["timed out", REFUSED], True, "not proved, timed out"),
        (["timed out", ""], False, "the old password still lets in"),
        (["", "TimeoutError"], True, "not proved that the old one does not, TimeoutError"),
        (["", "FATAL: sorry, too many clients already"], True, "not proved that the old one does not, FATAL: sorry"),
    ],
)
def test_what_the_server_says(rotate: Callable[..., Any], said: list[str], result: bool, words: str) -> None:
    reported, _ = rotate(OLD, NEW, said)
    assert reported["result"] is result
    assert words in reported["comment"]
    assert "the old one is" not in reported["comment"]
    assert "old-broker" not in reported["comment"]
    assert "new-broker" not in reported["comment"]


@pytest.mark.parametrize(
    ("before", "after"),
    [({}, NEW), (OLD, OLD), (OLD, {}), (OLD, {"user": "other", "password": "new"})],
    ids=["first run", "nothing new", "gone", "another user"],
)
def test_nothing_is_tried(rotate: Callable[..., Any], before: dict[str, Any], after: dict[str, Any]) -> None:
    reported, tried = rotate(before, after, [])
    assert (reported["result"], reported["comment"], tried) == (True, "No password was changed.", [])


def test_a_preview_tries_nothing(rotate: Callable[..., Any]) -> None:
    assert rotate(OLD, NEW, [], test=True)[1] == []


@pytest.mark.parametrize("whole", [True, False])
@pytest.mark.parametrize("adopted", [True, False])
def test_owned(load: Callable[..., Any], whole: bool, adopted: bool) -> None:
    """What is free is recorded by any run; what a release before has made by a run of all, as a part would leave the
    rest somebody's.
    """
    recorded: list[set[str]] = []
    module = load(
        "_states/phagescan",
        __opts__={"test": False},
        __lowstate__=[{"fun": "owned"}, *([{"fun": "converged"}] if whole else [])],
        __salt__={"phagescan.ownership": lambda _chunks: ([], {"file /a"}, adopted)},
        __utils__={
            "ownership.recorded": lambda _name: None,
            "ownership.record": lambda known, _name: recorded.append(known),
        },
    )
    done = module.owned("/etc/owned")
    assert done["result"]
    assert recorded == ([{"file /a"}] if whole or not adopted else [])
    assert bool(done["changes"]) == bool(recorded)


@pytest.mark.parametrize(("faults", "result"), [([], True), (None, True), (["rules: mine.yar(3): no"], False)])
def test_rules_that_do_not_compile(load: Callable[..., Any], faults: list[str] | None, result: bool) -> None:
    said = load("_states/phagescan", __salt__={"phagescan.rule_faults": lambda: faults}).compiled("/r")
    assert (said["result"], said["changes"]) == (result, {})
    assert "mine.yar(3)" in said["comment"] or not faults
