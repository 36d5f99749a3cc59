"""What an application writes is its own again, and a run that finds nothing looks at few files."""

import getpass
import grp
import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

ME, MINE = getpass.getuser(), grp.getgrgid(os.getgid()).gr_name


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Three samples, each in a folder, as they should be."""
    top = tmp_path / "samples"
    for name in ("aa", "bb", "cc"):
        (top / name).mkdir(parents=True)
        (top / name).chmod(0o700)
        (top / name / "sample").write_text(name)
        (top / name / "sample").chmod(0o600)
    return top


@pytest.fixture
def keep(load: Callable[..., Any], root: Path) -> Callable[..., dict[str, Any]]:
    """Runs the state on it."""

    def run(*, test: bool = False, **more: Any) -> dict[str, Any]:
        module = load("_states/owned_tree", __opts__={"test": test})
        given = {"user": ME, "group": MINE, "dir_mode": "0700", "file_mode": "0600"} | more
        return module.kept(str(root), **given)

    return run


def modes(root: Path) -> set[int]:
    """Modes of the samples."""
    return {stat.S_IMODE(path.stat().st_mode) for path in root.glob("*/sample")}


def test_well(keep: Callable[..., Any]) -> None:
    """Nothing is changed."""
    assert (keep()["result"], keep()["changes"]) == (True, {})


@pytest.mark.parametrize("what", ["aa", "aa/sample"])
def test_repaired(keep: Callable[..., Any], root: Path, what: str) -> None:
    """One that is not as it should be has all looked at; a preview says so and changes nothing."""
    (root / what).chmod(0o755)
    (root / "cc/sample").chmod(0o444)
    foreseen = keep(test=True)
    assert foreseen["result"] is None
    assert stat.S_IMODE((root / what).stat().st_mode) == 0o755
    done = keep()
    assert done["result"] is True
    assert done["changes"] == foreseen["changes"]
    assert done["changes"][str(root)].startswith("2 files and directories, such as ")
    assert modes(root) == {0o600}
    assert keep()["changes"] == {}


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_owner(keep: Callable[..., Any], root: Path) -> None:
    """What belongs to a stranger is given back."""
    for path in root.rglob("*"):
        os.chown(path, 4242, 4242)
    assert keep()["changes"]
    assert {(path.stat().st_uid, path.stat().st_gid) for path in root.rglob("*")} == {(os.getuid(), os.getgid())}


def test_few_are_looked_at(keep: Callable[..., Any], root: Path) -> None:
    """Beyond the first file of a folder only where the application asks for it."""
    first = next(os.scandir(root / "aa")).name
    (root / "aa/other").write_text("")
    other = "other" if next(os.scandir(root / "aa")).name == first else "sample"
    (root / "aa/other").chmod(0o600)
    (root / "aa" / other).chmod(0o400)
    assert keep()["changes"] == {}
    (root / ".unreadable").touch(mode=0o600)
    assert keep()["changes"]
    assert not (root / ".unreadable").exists()
    assert keep()["changes"] == {}


def test_not_followed(keep: Callable[..., Any], root: Path, tmp_path: Path) -> None:
    """A link leads nowhere, and a file with another name is left and named: it may be another's."""
    other = tmp_path / "other"
    other.write_text("")
    other.chmod(0o644)
    (root / "aa/link").symlink_to(other)
    (root / "bb/sample").chmod(0o644)
    assert keep()["result"] is True
    (root / "aa/hard").hardlink_to(other)
    (root / "bb/sample").chmod(0o644)
    refused = keep()
    assert refused["result"] is False
    assert str(root / "aa/hard") in refused["comment"]
    assert refused["comment"].endswith(f"; of the others 1 were made {ME}'s")
    assert not keep()["comment"].endswith(f"made {ME}'s")
    assert stat.S_IMODE(other.stat().st_mode) == 0o644


def test_pattern(keep: Callable[..., Any], root: Path) -> None:
    """What others have put there is theirs."""
    (root / "notes").write_text("")
    (root / "notes").chmod(0o644)
    (root / "a.log").write_text("")
    (root / "a.log").chmod(0o644)
    assert list(keep(pattern="*.log")["changes"]) == [str(root)]
    assert stat.S_IMODE((root / "notes").stat().st_mode) == 0o644
    assert stat.S_IMODE((root / "a.log").stat().st_mode) == 0o600


def test_bare_host(keep: Callable[..., Any], root: Path) -> None:
    """In a preview the user is yet to come; in a run that is a fault."""
    assert keep(test=True, user="unit-nobody")["result"] is True
    assert keep(user="unit-nobody")["result"] is False
