"""Who may change what root loads."""

import os
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

OURS, THEIRS = 0, 4711


@pytest.fixture
def writers(load: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """The module, with a checkout in a directory that stands for /, of which everything belongs to root."""
    module = load("_utils/doctor").writers
    monkeypatch.setattr(module, "ROOT", tmp_path)
    for name in ("srv/salt", "srv/pillar", "opt/phagescan-salt"):
        (tmp_path / name).mkdir(parents=True)
    for path in (tmp_path / "srv/salt/top.sls", tmp_path / "srv/pillar/top.sls"):
        path.touch()
    module.changed = {}

    def lstat(self: Path) -> Any:
        found = os.lstat(self)
        name = str(self.relative_to(tmp_path))
        changed = {"st_uid": OURS, "st_gid": OURS, "st_mode": found.st_mode & ~0o022} | module.changed.get(name, {})
        return SimpleNamespace(**changed)

    monkeypatch.setattr(Path, "lstat", lstat)
    monkeypatch.setattr(Path, "stat", lstat)
    monkeypatch.setattr(module, "_user", lambda uid: {0: "root"}.get(uid, f"user{uid}"))
    monkeypatch.setattr(module, "_group", lambda gid: f"group{gid}")
    members = {0: {"root"}, 1000: {"user1000"}}
    monkeypatch.setattr(module, "_members", lambda gid: frozenset(members.get(gid, {"somebody"})))
    return module


def found(module: Any) -> list[str]:
    """The faults, as lines."""
    situation = SimpleNamespace(checkout=["/srv/salt", "/srv/pillar"])
    return [f"{fault.key}: {fault.reason}" for fault in module.writers(situation)]


@pytest.mark.parametrize(
    ("changed", "fault"),
    [
        ({}, ""),
        ({"srv/salt/top.sls": {"st_uid": THEIRS}}, "/srv/salt/top.sls: user user4711 may change it"),
        ({"srv/pillar": {"st_mode": 0o40777}}, "/srv/pillar: everyone may change it"),
        ({"srv": {"st_mode": 0o41777}}, ""),
        ({"srv": {"st_mode": 0o40775}}, ""),
        ({"opt/phagescan-salt": {"st_uid": THEIRS}}, "/opt/phagescan-salt: user user4711 may change it"),
        ({"srv/salt": {"st_mode": 0o40775, "st_gid": 7}}, "/srv/salt: group group7 (somebody) may change it"),
        # The group of a user alone, who owns the checkout.
        ({"srv": {"st_uid": 1000}, "srv/salt": {"st_uid": 1000, "st_mode": 0o40775, "st_gid": 1000}}, ""),
    ],
)
def test_writers(writers: Any, changed: dict[str, Any], fault: str) -> None:
    """Root and the owner of the checkout; anyone else is a fault, by the path and who it is."""
    writers.changed = changed
    lines = found(writers)
    assert lines == [] if not fault else lines[0].startswith(f"{fault}, and root loads what is there: "), lines


def test_owner(writers: Any) -> None:
    """An owner who is not root is to be known."""
    assert writers.notes(["/srv/salt"]) == []
    writers.changed = {"srv": {"st_uid": 1000}}
    assert writers.notes(["/srv/salt"]) == ["checkout: it belongs to user1000, who with it is root on this host"]
