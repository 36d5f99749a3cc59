"""What uploads leave free."""
# ruff: noqa: D103  (the names of the tests say it)

import importlib
import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest


def test_database_and_broker_keep_their_room(scaggr: Any, monkeypatch: pytest.MonkeyPatch, place: Path) -> None:
    room, settings = scaggr.web.uploads.room, importlib.import_module("django.conf").settings
    monkeypatch.setattr(room, "OTHERS", ("/nonexistent",))
    left = SimpleNamespace(f_bavail=100, f_frsize=1)
    monkeypatch.setattr(room, "os", SimpleNamespace(stat=os.stat, statvfs=lambda _: left))
    room.need(100, str(place))
    with pytest.raises(room.NoRoomError):
        room.need(101, str(place))
    with pytest.raises(room.NoRoomError):  # the proxy has a copy of its own, on the same file system
        room.need(51, str(place), str(place.parent))
    monkeypatch.setattr(settings, "KEEP_FREE", 60)
    room.need(100, str(place))
    monkeypatch.setattr(room, "OTHERS", (str(place.parent), "/nonexistent"))
    room.need(40, str(place))
    with pytest.raises(room.NoRoomError) as caught:
        room.need(41, str(place))
    assert caught.value.status == 507
