"""Packages are installed together, once, and a preview names them."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from salt.exceptions import CommandExecutionError

HELD: list[str] = []


@contextmanager
def held(names: list[str]) -> Iterator[None]:
    """Notes what is held while packages are installed."""
    HELD[:] = names
    yield
    HELD.clear()


def install(names: list[str]) -> list[str]:
    """Installs what is not called bad, with a note, while the services that are stopped are held."""
    assert HELD == ["web"]
    if "bad" in names:
        raise CommandExecutionError("apt-get install failed (100): web: bind failed")
    return ["source x: is not signed."]


@pytest.mark.parametrize(
    ("names", "test", "result", "comment"),
    [
        (["there"], False, True, "All packages are installed."),
        (["there", "new"], False, True, "Installed: new\nNote: source x: is not signed."),
        (["there", "new"], True, None, "Would be installed: new"),
        (["bad"], False, False, "apt-get install failed (100): web: bind failed"),
    ],
)
def test_installed(load: Callable[..., Any], names: list[str], test: bool, result: bool | None, comment: str) -> None:
    """What is missing is installed, what went wrong is said, and what Salt adds to an aggregate is taken."""
    utils = {
        "packages.missing": lambda names: [n for n in names if n != "there"],
        "packages.install": install,
        "daemon.status": {"web": {"running": False}}.copy,
        "starts.stopped": lambda _chunks, status: list(status()),
        "starts.held": held,
    }
    state = load("_states/packages", __opts__={"test": test}, __utils__=utils, __lowstate__=[])
    done = state.installed("web-package", names, __agg__=True)
    assert (done["result"], done["comment"]) == (result, comment)
    assert bool(done["changes"]) is (result is not False and names != ["there"])


def test_together(load: Callable[..., Any]) -> None:
    """The first state of an aggregate has the packages of all."""
    chunks = [{"pkgs": ["a", "b"]}, {"pkgs": ["b", "c"]}]
    low = load("_states/packages").mod_aggregate(dict(chunks[0]), chunks, {})
    assert low["pkgs"] == ["a", "b", "c"]
    assert all(chunk["__agg__"] for chunk in chunks)
