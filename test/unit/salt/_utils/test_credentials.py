"""Passwords that are made once, for the logins that pillar names."""

import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from doctors import getter, shipped
from pillars import PASSWORD_KEYS, REMOVED, look_up, put


def test_for_the_names_that_pillar_has(load: Callable[..., Any], examine: Callable[..., list[str]]) -> None:
    """Each user and role gets one of its own, one that was added as well; with them the pillar has no fault."""
    pillar = shipped()
    for key in PASSWORD_KEYS:
        pillar = put(pillar, key, REMOVED)
    for key in ("rabbitmq:users:third", "postgresql:roles:third"):
        pillar = put(pillar, key, {})
    made = load("_utils/credentials").missing(getter(pillar))
    keys = [*PASSWORD_KEYS, "rabbitmq:users:third:password", "postgresql:roles:third:password"]
    passwords = {look_up(made, key) for key in keys}
    assert len(passwords) == len(keys)
    assert examine({key: look_up(made, key) for key in keys}) == []


def test_quoted(load: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A password that YAML would take for a number is text all the same."""
    credentials = load("_utils/credentials")
    monkeypatch.setattr(credentials.secrets, "token_hex", lambda number: "12345678" * (number // 4))
    made = credentials.missing(getter({"rabbitmq": {"users": {"a": {}}}}))
    credentials.write(str(tmp_path / "credentials.sls"), made)
    assert yaml.safe_load((tmp_path / "credentials.sls").read_text()) == made


def test_what_has_one_keeps_it(load: Callable[..., Any]) -> None:
    """A password that is elsewhere in pillar is not replaced, and a pillar that was not checked yet does no harm."""
    credentials = load("_utils/credentials")
    assert credentials.missing(getter(shipped())) == {}
    found = credentials.missing(getter({"rabbitmq": {"users": "text"}, "postgresql": {"roles": {"a": "text"}}}))
    assert list(found) == ["phagescan"]


def test_written(load: Callable[..., Any], tmp_path: Path) -> None:
    """The file is its owner's alone, whatever the umask and whatever a killed run left, and is YAML."""
    path = tmp_path / "credentials.sls"
    (tmp_path / "credentials.sls.new").touch(mode=0o666)
    pillar = {"rabbitmq": {"users": {"a b": {"password": "x: 'y"}}}}
    load("_utils/credentials").write(str(path), pillar)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert yaml.safe_load(path.read_text()) == pillar
    assert path.read_text().startswith("#!yaml\n")
    assert [each.name for each in tmp_path.iterdir()] == ["credentials.sls"]


def test_new_host(load: Callable[..., Any], tmp_path: Path) -> None:
    """A new master gets credentials and TLS; who has said anything of TLS, or has a file of that name, keeps it."""
    lacking = load("_utils/credentials").lacking
    tls = {"phagescan": {"tls": {"self_signed": True}}}
    made = lacking(str(tmp_path), getter({"rabbitmq": {"users": {"a": {}}}}), True)
    assert list(made) == ["credentials.sls", "local.sls"]
    assert made["local.sls"] == tls
    assert list(lacking(str(tmp_path), getter({}), False)) == ["credentials.sls"]
    for said in ({"phagescan": {"tls": False}}, tls):
        assert list(lacking(str(tmp_path), getter(said), True)) == ["credentials.sls"]
    (tmp_path / "local.sls").touch()
    assert list(lacking(str(tmp_path), getter({}), True)) == ["credentials.sls"]
    (tmp_path / "credentials.sls").symlink_to("elsewhere")
    assert lacking(str(tmp_path), getter({}), True) == {}


def test_local_file(load: Callable[..., Any], tmp_path: Path) -> None:
    """The file that TLS is in says how to do without, and that can be written there."""
    load("_utils/credentials").write(str(tmp_path / "local.sls"), {"phagescan": {"tls": {"self_signed": True}}})
    text = (tmp_path / "local.sls").read_text()
    assert "`tls: false`" in text
    assert yaml.safe_load(text) == {"phagescan": {"tls": {"self_signed": True}}}
