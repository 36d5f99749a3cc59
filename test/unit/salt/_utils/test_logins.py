"""Logins of the application, read from its settings and tried."""

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from salt.exceptions import CommandExecutionError


def test_read(load: Callable[..., Any], tmp_path: Path) -> None:
    """It is found, with the file that verifies the broker; none in a file that is none."""
    logins = load("_utils/logins")
    path = tmp_path / "settings.toml"
    assert logins.read(str(path)) == {}
    path.write_text('ca_certs = "/a.pem"\n[broker]\nuser = "u"\n[scan]\nexpires = 5\n')
    assert logins.read(str(path)) == {"user": "u", "ca_certs": "/a.pem"}
    path.write_text("[broker\n")
    assert logins.read(str(path)) == {}


def test_answers(load: Callable[..., Any]) -> None:
    """They go to the application's Python on its standard input; what that says comes back, or why it failed."""
    logins, given = load("_utils/logins"), []

    def python(*arguments: str, stdin: str) -> subprocess.CompletedProcess[str]:
        given.append((arguments, stdin))
        return subprocess.CompletedProcess([], len(given) - 1, '["", "refused: no"]', "Traceback\nnothing\n")

    tried = [{"password": "new"}, {"password": "old"}]
    assert logins.answers(tried, python) == ["", "refused: no"]
    assert given[0][0] == ("-m", "shared.login")
    with pytest.raises(CommandExecutionError, match="Traceback nothing"):
        logins.answers(tried, python)
