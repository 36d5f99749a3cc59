"""The configuration files of the application."""
# ruff: noqa: D103  (the names of the tests say it)

from pathlib import Path
from typing import Any

import pytest


def test_values_come_from_the_file(conf: Any, tmp_path: Path) -> None:
    (tmp_path / "worker.toml").write_text('[broker]\nhost = "broker"\nport = 5672\n')
    assert conf.load("worker")["broker"] == {"host": "broker", "port": 5672}


def test_a_missing_file_is_named_with_its_remedy(conf: Any, tmp_path: Path) -> None:
    with pytest.raises(conf.ConfError) as caught:
        conf.load("master")
    assert str(caught.value) == (
        f"cannot read {tmp_path}/master.toml (No such file or directory): run salt-call --local state.highstate"
    )


def test_a_missing_key_is_named_with_its_table(conf: Any, tmp_path: Path) -> None:
    (tmp_path / "master.toml").write_text("[broker]\nport = 5672\n")
    with pytest.raises(conf.ConfError, match=r"master\.toml: broker\.host is missing"):
        conf.load("master")["broker"]["host"]


def test_a_broken_file_shows_no_value(conf: Any, tmp_path: Path) -> None:
    (tmp_path / "master.toml").write_text('password = "test-secret" oops\n')
    with pytest.raises(conf.ConfError) as caught:
        conf.load("master")
    assert "not valid TOML" in str(caught.value)
    assert "test-secret" not in str(caught.value)
    assert "\n" not in str(caught.value)
