"""The configuration files of the application, and the broker's URL that is made of them."""
# ruff: noqa: D103  (the names of the tests say it)

import importlib
import sys
from pathlib import Path
from types import ModuleType
from urllib.parse import unquote, urlsplit

import pytest

PROJECT = Path(__file__).parents[2] / "roots" / "phagescan"


@pytest.fixture
def conf(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> ModuleType:
    """scaggr.conf, reading from an empty directory."""
    monkeypatch.syspath_prepend(str(PROJECT))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    monkeypatch.setenv("PHAGESCAN_CONF_DIR", str(tmp_path))
    return importlib.import_module("scaggr.conf")


def test_values_come_from_the_file(conf: ModuleType, tmp_path: Path) -> None:
    (tmp_path / "worker.toml").write_text('[broker]\nhost = "broker"\nport = 5672\n')
    assert conf.load("worker")["broker"] == {"host": "broker", "port": 5672}


def test_a_missing_file_is_named_with_its_remedy(conf: ModuleType, tmp_path: Path) -> None:
    with pytest.raises(conf.ConfError) as caught:
        conf.load("master")
    assert str(caught.value) == (
        f"cannot read {tmp_path}/master.toml (No such file or directory): run salt-call --local state.highstate"
    )


def test_a_missing_key_is_named_with_its_table(conf: ModuleType, tmp_path: Path) -> None:
    (tmp_path / "master.toml").write_text("[broker]\nport = 5672\n")
    with pytest.raises(conf.ConfError, match=r"master\.toml: broker\.host is missing"):
        conf.load("master")["broker"]["host"]


def test_a_broken_file_shows_no_value(conf: ModuleType, tmp_path: Path) -> None:
    (tmp_path / "master.toml").write_text('password = "test-secret" oops\n')
    with pytest.raises(conf.ConfError) as caught:
        conf.load("master")
    assert "not valid TOML" in str(caught.value)
    assert "test-secret" not in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("password", ["plain", "a/b@c:d%e f?g#h", "\u00e4\u20ac"])
@pytest.mark.parametrize("vhost", ["phage", "/"])
def test_the_url_carries_every_password_and_vhost(conf: ModuleType, password: str, vhost: str) -> None:
    celeryconf = importlib.import_module("scaggr.celeryconf")
    url = celeryconf.broker_url_of({"host": "::1", "port": 5673, "vhost": vhost, "user": "u@x", "password": password})
    parts = urlsplit(url)
    assert (parts.hostname, parts.port) == ("::1", 5673)
    assert unquote(parts.username or "") == "u@x"
    assert unquote(parts.password or "") == password
    assert unquote(parts.path.removeprefix("/")) == vhost


def test_the_common_part_needs_no_django(conf: ModuleType) -> None:
    for name in ("conf", "celeryconf"):
        source = (PROJECT / "scaggr" / f"{name}.py").read_text()
        assert "import django" not in source
        assert "from django" not in source
