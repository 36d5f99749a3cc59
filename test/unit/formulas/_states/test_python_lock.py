"""A virtualenv against its lock: what is read of both, and what a run would do."""

import importlib.metadata
import os
import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from wheels import digest, installer

LOCKS = [
    "roots/phagescan/requirements.txt",
    "roots/minion/requirements.txt",
    "roots/minion/salt.txt",
    "test/requirements.txt",
]
LOCK = """\
# comment
--only-binary :all:
alpha==1.0 \\
    --hash=sha256:00 \\
    --hash=sha256:01
    # via beta
Be.ta_Two==2.5.post1 ; python_full_version >= '3.11' \\
    --hash=sha256:02
gone==3.0 ; python_version < '3' or sys_platform == 'win32' \\
    --hash=sha256:03
delta[extra]==4.0+local

"""


@pytest.fixture
def site(python_lock: Any, tmp_path: Path) -> Path:
    """The site-packages of a virtualenv in looks, with one distribution in it."""
    site = python_lock._site_packages(str(tmp_path))
    site.mkdir(parents=True)
    python = tmp_path / "bin" / "python"
    python.parent.mkdir()
    python.touch(mode=0o755)
    (tmp_path / "pyvenv.cfg").touch()
    (site / "alpha.py").write_text("one = 1\n")
    (site / "Al_pha-1.0.dist-info").mkdir()
    record = f"alpha.py,{digest((site / 'alpha.py').read_text())},8\n" + installer(site / "Al_pha-1.0.dist-info")
    record += '"with,comma.py",,\n../../../bin/alpha,,\nAl_pha-1.0.dist-info/RECORD,,\n'
    (site / "Al_pha-1.0.dist-info" / "RECORD").write_text(record)
    return site


def test_read_lock(python_lock: Any, tmp_path: Path) -> None:
    """Hashes, comments and options are no packages; markers are obeyed; names are compared in one spelling."""
    path = tmp_path / "lock.txt"
    path.write_text(LOCK)
    assert python_lock._read_lock(str(path)) == {"alpha": "1.0", "be-ta-two": "2.5.post1", "delta": "4.0+local"}


@pytest.mark.parametrize("name", LOCKS)
def test_reads_our_own_locks(python_lock: Any, name: str) -> None:
    """Of our own locks nothing is missed, and each line is read as packaging reads it."""
    path = Path(__file__).parents[4] / name
    lines = [line.rstrip("\\ ") for line in path.read_text().splitlines() if line[:1].isalnum()]
    pins = [pin for pin in map(Requirement, lines) if pin.marker is None or pin.marker.evaluate()]
    assert pins
    assert python_lock._read_lock(str(path)) == {
        canonicalize_name(pin.name): str(pin.specifier).removeprefix("==") for pin in pins
    }


def test_needs_packaging_for_markers_only(
    load: Callable[..., Any], site: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The application's lock, which has no condition, and an environment are read without that import."""
    monkeypatch.setitem(sys.modules, "packaging.markers", None)
    python_lock = load("_states/python_lock")
    assert python_lock._read_lock(str(Path(__file__).parents[4] / LOCKS[0]))["django"]
    assert site.is_dir()
    assert python_lock._read_environment(str(tmp_path)) == {"al-pha": "1.0"}
    (tmp_path / "lock.txt").write_text(LOCK)
    with pytest.raises(ImportError):
        python_lock._read_lock(str(tmp_path / "lock.txt"))


@pytest.mark.parametrize("name", ["Django", "zope.interface", "a__b", "A-._b", "x.y-Z_1", " alpha "])
def test_names(python_lock: Any, name: str) -> None:
    """Names are compared as packaging compares them."""
    assert python_lock._canonical(name) == canonicalize_name(name.strip())


def test_reads_a_real_environment(python_lock: Any) -> None:
    """What is found in the Python that runs this is what Python itself says of it."""
    if not python_lock._site_packages(sys.prefix).is_dir():
        pytest.skip("this Python keeps its packages elsewhere")
    there = python_lock._read_environment(sys.prefix)
    assert there["pytest"].removesuffix(" (damaged)") == importlib.metadata.version("pytest")
    assert there["salt"].removesuffix(" (damaged)") == importlib.metadata.version("salt")


def test_whole(python_lock: Any, site: Path, tmp_path: Path) -> None:
    """Files that have the size and digest in RECORD, or none in it, are whole."""
    assert site.is_dir()
    assert python_lock._usable(str(tmp_path))
    assert python_lock._read_environment(str(tmp_path)) == {"al-pha": "1.0"}


@pytest.mark.parametrize("damage", ["cut", "removed", "no record", "bad record"])
def test_damaged(python_lock: Any, site: Path, tmp_path: Path, damage: str) -> None:
    """A file that was cut or removed, and a RECORD that is missing or is none, are damage."""
    record = site / "Al_pha-1.0.dist-info" / "RECORD"
    match damage:
        case "cut":
            (site / "alpha.py").write_text("")
        case "removed":
            (site / "alpha.py").unlink()
        case "no record":
            record.unlink()
        case "bad record":
            record.write_text("nonsense\n")
    assert python_lock._read_environment(str(tmp_path)) == {"al-pha": "1.0 (damaged)"}


def later(python_lock: Any) -> None:
    """The module runs half an hour later."""
    python_lock.time = SimpleNamespace(time=lambda: time.time() + 1800)


@pytest.mark.parametrize(
    ("stamp", "damaged"), [(None, True), (-1000, True), (1000, False)], ids=["no stamp", "before", "after"]
)
def test_edited(python_lock: Any, site: Path, tmp_path: Path, stamp: int | None, damaged: bool) -> None:
    """A file of the same size is read when it was touched after the last synchronisation, whatever time it pretends."""
    (site / "alpha.py").write_text("two = 2\n")
    os.utime(site / "alpha.py", (1, 1))
    if stamp:
        (tmp_path / python_lock.STAMP).touch()
        os.utime(tmp_path / python_lock.STAMP, (time.time() + stamp,) * 2)
    later(python_lock)
    assert python_lock._read_environment(str(tmp_path)) == {"al-pha": "1.0 (damaged)" if damaged else "1.0"}


def test_stamp_of_the_future(python_lock: Any, site: Path, tmp_path: Path) -> None:
    """What a clock that was ahead has dated says nothing: files are read."""
    (site / "alpha.py").write_text("two = 2\n")
    (tmp_path / python_lock.STAMP).touch()
    os.utime(tmp_path / python_lock.STAMP, (time.time() + 1000,) * 2)
    assert python_lock._read_environment(str(tmp_path)) == {"al-pha": "1.0 (damaged)"}


def test_size_is_always_compared(python_lock: Any, site: Path, tmp_path: Path) -> None:
    """A file that was cut is damage even where the stamp is newer."""
    (site / "alpha.py").write_text("")
    (tmp_path / python_lock.STAMP).touch()
    os.utime(tmp_path / python_lock.STAMP, (time.time() + 1000,) * 2)
    later(python_lock)
    assert python_lock._read_environment(str(tmp_path)) == {"al-pha": "1.0 (damaged)"}


def test_installed_twice(python_lock: Any, site: Path, tmp_path: Path) -> None:
    """Two versions of one distribution are none, whichever is found first."""
    for version in ("0.9", "1.1"):
        shutil.copytree(site / "Al_pha-1.0.dist-info", site / f"al.pha-{version}.dist-info")
    (version,) = python_lock._read_environment(str(tmp_path)).values()
    assert version.endswith(" (damaged)")


def test_unusable(python_lock: Any, site: Path, tmp_path: Path) -> None:
    """A virtualenv without its Python or its pyvenv.cfg, or of another Python, is to be made again."""
    (tmp_path / "bin" / "python").unlink()
    assert not python_lock._usable(str(tmp_path))
    (tmp_path / "bin" / "python").symlink_to(sys.executable)
    assert python_lock._usable(str(tmp_path))
    (tmp_path / "pyvenv.cfg").unlink()
    assert not python_lock._usable(str(tmp_path))
    (tmp_path / "pyvenv.cfg").touch()
    site.parent.rename(site.parents[1] / "python3.1")
    assert not python_lock._usable(str(tmp_path))


def test_state_clean(python_lock: Any, site: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing differs: no process is started."""
    (tmp_path / "lock.txt").write_text("AL.pha==1.0\n")
    monkeypatch.setattr(python_lock, "_synchronise", None)
    result = python_lock.installed(str(tmp_path), str(tmp_path / "lock.txt"))
    assert site.is_dir()
    assert (result["result"], result["changes"]) == (True, {})


@pytest.mark.parametrize("test", [True, False])
def test_copy_is_read_once(python_lock: Any, site: Path, tmp_path: Path, test: bool) -> None:
    """Files with other inodes than the stamp knows are read; when they are whole the stamp says so, but for a
    preview.
    """
    python_lock.__opts__["test"] = test
    (tmp_path / "lock.txt").write_text("al-pha==1.0\n")
    stamp = tmp_path / python_lock.STAMP
    stamp.touch()
    os.utime(stamp, (7, 7))
    changed, began = tmp_path.stat().st_mtime_ns, time.time()
    assert python_lock.installed(str(tmp_path), str(tmp_path / "lock.txt"))["changes"] == {}
    assert stamp.stat().st_mtime == 7 if test else began - 1 <= stamp.stat().st_mtime <= time.time() - 1
    assert tmp_path.stat().st_mtime_ns == changed
    os.utime(stamp, (time.time() + 1000,) * 2)
    later(python_lock)
    read: list[str] = []
    assert python_lock._read_environment(str(tmp_path), read) == {"al-pha": "1.0"}
    assert read == []
    (site / "alpha.py").write_text("two = 2\n")
    os.utime(stamp, (7, 7))
    python_lock.__opts__["test"] = True
    assert python_lock.installed(str(tmp_path), str(tmp_path / "lock.txt"))["changes"]
    assert stamp.stat().st_mtime == 7


def test_no_stamp(python_lock: Any, site: Path, tmp_path: Path) -> None:
    """None is made where there was none: services would be restarted, as after a change of the virtualenv."""
    (tmp_path / "lock.txt").write_text("al-pha==1.0\n")
    changed = tmp_path.stat().st_mtime_ns
    assert python_lock.installed(str(tmp_path), str(tmp_path / "lock.txt"))["changes"] == {}
    assert site.is_dir()
    assert not (tmp_path / python_lock.STAMP).exists()
    assert tmp_path.stat().st_mtime_ns == changed


def test_state_preview(python_lock: Any, site: Path, tmp_path: Path) -> None:
    """A preview names what would be installed, changed and removed, and does nothing."""
    (tmp_path / "lock.txt").write_text("beta==2.0\n")
    python_lock.__opts__["test"] = True
    result = python_lock.installed(str(tmp_path), str(tmp_path / "lock.txt"))
    assert result["result"] is None
    assert result["changes"] == {"al-pha": {"old": "1.0", "new": ""}, "beta": {"old": "", "new": "2.0"}}
    assert (site / "alpha.py").exists()
    bare = python_lock.installed(str(tmp_path / "none"), str(tmp_path / "lock.txt"))
    assert bare["changes"] == {"beta": {"old": "", "new": "2.0"}}
    assert not (tmp_path / "none").exists()


def test_state_without_a_lock(python_lock: Any, tmp_path: Path) -> None:
    """A source that is not there fails, and nothing is touched."""
    result = python_lock.installed(str(tmp_path / "env"), "")
    assert result["result"] is False
    assert not (tmp_path / "env").exists()
