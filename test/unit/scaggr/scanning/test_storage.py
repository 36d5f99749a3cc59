"""Whether samples can be received, and read again."""

import os
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest


@pytest.fixture
def storage(scaggr_module: Callable[[str], Any], monkeypatch: pytest.MonkeyPatch) -> Any:
    """The module, for a user who is not root: modes count."""
    module = scaggr_module("scanning.storage")

    def access(path: str, wanted: int) -> bool:
        mode = os.stat(path).st_mode if os.path.exists(path) else 0
        return (mode >> 6) & wanted == wanted

    monkeypatch.setattr(module.os, "access", access)
    return module


@pytest.fixture
def paths(tmp_path: Path) -> list[Path]:
    """Two samples."""
    found = [tmp_path / "aa/aa1", tmp_path / "bb/bb1"]
    for path in found:
        path.parent.mkdir()
        path.write_text("")
    return found


def test_well(storage: Any, paths: list[Path]) -> None:
    """What is looked at is there; a master that is new has none."""
    assert storage.look_at(paths) == "2 were looked at, and are there"
    assert storage.look_at([]) == "there are none yet"


@pytest.mark.parametrize("what", ["aa/aa1", "bb"])
def test_not_ours(storage: Any, paths: list[Path], tmp_path: Path, what: str) -> None:
    """A file or a folder that the application cannot use is named, and what to do."""
    (tmp_path / what).chmod(0)
    with pytest.raises(storage.PartError, match=rf"{what} is not the application's .*, mode 0.: run salt-call"):
        storage.look_at(paths)


def test_read_only(storage: Any, paths: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that can be read only, as after an error, is no matter of owners."""
    (tmp_path / "bb").chmod(0)
    monkeypatch.setattr(storage.os, "statvfs", lambda _path: SimpleNamespace(f_flag=os.ST_RDONLY))
    with pytest.raises(storage.PartError, match=r"bb lies on a file system .* for reading only: see dmesg"):
        storage.look_at(paths)


def test_gone(storage: Any, paths: list[Path]) -> None:
    """A file that is gone is named, and is no fault of what comes in."""
    paths[0].unlink()
    with pytest.raises(storage.DegradedError, match=rf"of 2 samples .* files of 1 are gone, such as {paths[0]}"):
        storage.look_at(paths)


def test_no_place(storage: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Where nothing can be received that is said, whatever is there already."""
    monkeypatch.setattr(storage.settings, "SAMPLE_ROOT", str(tmp_path))
    monkeypatch.setattr(storage.settings, "FILE_UPLOAD_TEMP_DIR", f"{tmp_path}/incoming")
    with pytest.raises(storage.PartError, match="incoming is gone"):
        storage.samples()
