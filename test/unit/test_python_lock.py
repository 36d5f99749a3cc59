"""A virtualenv is what its lock says: read from the disk, repaired by pip."""

import base64
import hashlib
import importlib.metadata
import os
import shutil
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

LOCKS = ["roots/phagescan/requirements.txt", "roots/minion/requirements.txt", "roots/minion/salt.txt", "test/requirements.txt"]
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
def python_lock(load: Callable[..., ModuleType]) -> ModuleType:
    """The state module; a lock's source is its path, and virtualenvs are made of the Python that runs this."""
    module = load("_states/python_lock", __salt__={"cp.cache_file": lambda source: source}, __opts__={"test": False})
    module.PYTHON = sys.executable
    return module


def digest(text: str) -> str:
    """What a RECORD says of a file with this text."""
    return "sha256=" + base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).decode().rstrip("=")


def installer(info: Path) -> str:
    """What pip writes before RECORD, and the line of it there."""
    (info / "INSTALLER").write_text("pip\n")
    return f"{info.name}/INSTALLER,{digest('pip' + chr(10))},4\n"


@pytest.fixture
def site(python_lock: ModuleType, tmp_path: Path) -> Path:
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


def wheel(folder: Path, name: str, version: str) -> str:
    """Make a wheel of one module, and give the line of a lock for it."""
    info = f"{name}-{version}.dist-info"
    files = {
        f"{name}.py": f"version = '{version}'\n",
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: unit\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = ""
    for path, text in files.items():
        record += f"{path},{digest(text)},{len(text)}\n"
    path = folder / f"{name}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for member, text in {**files, f"{info}/RECORD": f"{record}{info}/RECORD,,\n"}.items():
            archive.writestr(member, text)
    return f"{name}=={version} \\\n    --hash=sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}\n"


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where pip is compiled to, once for all its runs."""
    return tmp_path_factory.mktemp("compiled")


@pytest.fixture
def wheels(tmp_path: Path, compiled: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that is pip's only source of packages."""
    folder = tmp_path / "wheels"
    folder.mkdir()
    monkeypatch.delenv("PYTHONDONTWRITEBYTECODE", raising=False)
    monkeypatch.setenv("PYTHONPYCACHEPREFIX", str(compiled))
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return folder


def test_read_lock(python_lock: ModuleType, tmp_path: Path) -> None:
    """Hashes, comments and options are no packages; markers are obeyed; names are compared in one spelling."""
    path = tmp_path / "lock.txt"
    path.write_text(LOCK)
    assert python_lock._read_lock(str(path)) == {"alpha": "1.0", "be-ta-two": "2.5.post1", "delta": "4.0+local"}


@pytest.mark.parametrize("name", LOCKS)
def test_reads_our_own_locks(python_lock: ModuleType, name: str) -> None:
    """Of our own locks nothing is missed, and each line is read as packaging reads it."""
    path = Path(__file__).parents[2] / name
    lines = [line.rstrip("\\ ") for line in path.read_text().splitlines() if line[:1].isalnum()]
    pins = [pin for pin in map(Requirement, lines) if pin.marker is None or pin.marker.evaluate()]
    assert pins
    assert python_lock._read_lock(str(path)) == {
        canonicalize_name(pin.name): str(pin.specifier).removeprefix("==") for pin in pins
    }


def test_needs_packaging_for_markers_only(
    load: Callable[..., ModuleType], site: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The application's lock, which has no condition, and an environment are read without that import."""
    monkeypatch.setitem(sys.modules, "packaging.markers", None)
    python_lock = load("_states/python_lock")
    assert python_lock._read_lock(str(Path(__file__).parents[2] / LOCKS[0]))["django"]
    assert site.is_dir()
    assert python_lock._read_environment(str(tmp_path)) == {"al-pha": "1.0"}
    (tmp_path / "lock.txt").write_text(LOCK)
    with pytest.raises(ImportError):
        python_lock._read_lock(str(tmp_path / "lock.txt"))


@pytest.mark.parametrize("name", ["Django", "zope.interface", "a__b", "A-._b", "x.y-Z_1", " alpha "])
def test_names(python_lock: ModuleType, name: str) -> None:
    """Names are compared as packaging compares them."""
    assert python_lock._canonical(name) == canonicalize_name(name.strip())


def test_reads_a_real_environment(python_lock: ModuleType) -> None:
    """What is found in the Python that runs this is what Python itself says of it."""
    if not python_lock._site_packages(sys.prefix).is_dir():
        pytest.skip("this Python keeps its packages elsewhere")
    there = python_lock._read_environment(sys.prefix)
    assert there["pytest"].removesuffix(" (damaged)") == importlib.metadata.version("pytest")
    assert there["salt"].removesuffix(" (damaged)") == importlib.metadata.version("salt")


def test_whole(python_lock: ModuleType, site: Path, tmp_path: Path) -> None:
    """Files that have the size and digest in RECORD, or none in it, are whole."""
    assert site.is_dir()
    assert python_lock._usable(str(tmp_path))
    assert python_lock._read_environment(str(tmp_path)) == {"al-pha": "1.0"}


@pytest.mark.parametrize("damage", ["cut", "removed", "no record", "bad record"])
def test_damaged(python_lock: ModuleType, site: Path, tmp_path: Path, damage: str) -> None:
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


@pytest.mark.parametrize(
    ("stamp", "damaged"), [(None, True), (-1000, True), (1000, False)], ids=["no stamp", "before", "after"]
)
def test_edited(python_lock: ModuleType, site: Path, tmp_path: Path, stamp: int | None, damaged: bool) -> None:
    """A file of the same size is read when it was touched after the last synchronisation, whatever time it pretends."""
    (site / "alpha.py").write_text("two = 2\n")
    os.utime(site / "alpha.py", (1, 1))
    if stamp:
        (tmp_path / python_lock.STAMP).touch()
        os.utime(tmp_path / python_lock.STAMP, (time.time() + stamp,) * 2)
    assert python_lock._read_environment(str(tmp_path)) == {"al-pha": "1.0 (damaged)" if damaged else "1.0"}


def test_size_is_always_compared(python_lock: ModuleType, site: Path, tmp_path: Path) -> None:
    """A file that was cut is damage even where the stamp is newer."""
    (site / "alpha.py").write_text("")
    (tmp_path / python_lock.STAMP).touch()
    os.utime(tmp_path / python_lock.STAMP, (time.time() + 1000,) * 2)
    assert python_lock._read_environment(str(tmp_path)) == {"al-pha": "1.0 (damaged)"}


def test_installed_twice(python_lock: ModuleType, site: Path, tmp_path: Path) -> None:
    """Two versions of one distribution are none, whichever is found first."""
    for version in ("0.9", "1.1"):
        shutil.copytree(site / "Al_pha-1.0.dist-info", site / f"al.pha-{version}.dist-info")
    (version,) = python_lock._read_environment(str(tmp_path)).values()
    assert version.endswith(" (damaged)")


def test_unusable(python_lock: ModuleType, site: Path, tmp_path: Path) -> None:
    """A virtualenv without its Python or its pyvenv.cfg, or of another Python, is to be made anew."""
    (tmp_path / "bin" / "python").unlink()
    assert not python_lock._usable(str(tmp_path))
    (tmp_path / "bin" / "python").symlink_to(sys.executable)
    assert python_lock._usable(str(tmp_path))
    (tmp_path / "pyvenv.cfg").unlink()
    assert not python_lock._usable(str(tmp_path))
    (tmp_path / "pyvenv.cfg").touch()
    site.parent.rename(site.parents[1] / "python3.1")
    assert not python_lock._usable(str(tmp_path))


def test_state_clean(python_lock: ModuleType, site: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing differs: no process is started."""
    (tmp_path / "lock.txt").write_text("AL.pha==1.0\n")
    monkeypatch.setattr(python_lock, "_synchronise", None)
    result = python_lock.installed(str(tmp_path), str(tmp_path / "lock.txt"))
    assert site.is_dir()
    assert (result["result"], result["changes"]) == (True, {})


@pytest.mark.parametrize("test", [True, False])
def test_copy_is_read_once(python_lock: ModuleType, site: Path, tmp_path: Path, test: bool) -> None:
    """Files with other inodes than the stamp knows are read; when they are whole the stamp says so, but for a preview."""
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
    read: list[str] = []
    assert python_lock._read_environment(str(tmp_path), read) == {"al-pha": "1.0"}
    assert read == []
    (site / "alpha.py").write_text("two = 2\n")
    os.utime(stamp, (7, 7))
    python_lock.__opts__["test"] = True
    assert python_lock.installed(str(tmp_path), str(tmp_path / "lock.txt"))["changes"]
    assert stamp.stat().st_mtime == 7


def test_no_stamp(python_lock: ModuleType, site: Path, tmp_path: Path) -> None:
    """None is made where there was none: services would be restarted, as after a change of the virtualenv."""
    (tmp_path / "lock.txt").write_text("al-pha==1.0\n")
    changed = tmp_path.stat().st_mtime_ns
    assert python_lock.installed(str(tmp_path), str(tmp_path / "lock.txt"))["changes"] == {}
    assert site.is_dir()
    assert not (tmp_path / python_lock.STAMP).exists()
    assert tmp_path.stat().st_mtime_ns == changed


def test_state_preview(python_lock: ModuleType, site: Path, tmp_path: Path) -> None:
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


def test_state_without_a_lock(python_lock: ModuleType, tmp_path: Path) -> None:
    """A source that is not there fails, and nothing is touched."""
    result = python_lock.installed(str(tmp_path / "env"), "")
    assert result["result"] is False
    assert not (tmp_path / "env").exists()


@pytest.fixture
def environment(python_lock: ModuleType, wheels: Path, tmp_path: Path) -> Path:
    """A virtualenv with alpha and beta in it."""
    environment = tmp_path / "env"
    assert python_lock._synchronise(str(environment), "", False, [], []) == ""
    for name in ("alpha", "beta"):
        wheel(wheels, name, "1.0")
        with zipfile.ZipFile(wheels / f"{name}-1.0-py3-none-any.whl") as archive:
            archive.extractall(python_lock._site_packages(str(environment)))
        info = python_lock._site_packages(str(environment)) / f"{name}-1.0.dist-info"
        with (info / "RECORD").open("a") as record:
            record.write(installer(info))
    return environment


def test_state_repairs_and_prunes(python_lock: ModuleType, environment: Path, wheels: Path, tmp_path: Path) -> None:
    """With the real pip, what is damaged is whole again, and what the lock does not list is gone."""
    lock = tmp_path / "lock.txt"
    lock.write_text(wheel(wheels, "alpha", "1.0"))
    (python_lock._site_packages(str(environment)) / "alpha.py").write_text("")
    result = python_lock.installed(str(environment), str(lock))
    assert result["result"], result["comment"]
    assert result["changes"] == {"alpha": {"old": "1.0 (damaged)", "new": "1.0"}, "beta": {"old": "1.0", "new": ""}}
    assert python_lock.installed(str(environment), str(lock))["changes"] == {}
    code = "import alpha, importlib.util; print(alpha.version, importlib.util.find_spec('beta'))"
    ran = subprocess.run([environment / "bin" / "python", "-c", code], capture_output=True, text=True)
    assert ran.stdout == "1.0 None\n"


def test_state_installs_what_was_locked(python_lock: ModuleType, wheels: Path, tmp_path: Path) -> None:
    """From nothing to the lock; a package that is not the locked one is refused, and the reason is given."""
    environment, lock = str(tmp_path / "env"), tmp_path / "lock.txt"
    line = wheel(wheels, "alpha", "1.0")
    lock.write_text(line[:-5] + ("0000\n" if line[-5:-1] != "0000" else "1111\n"))
    refused = python_lock.installed(environment, str(lock))
    assert refused["result"] is False
    assert "HASHES" in refused["comment"]
    assert not (tmp_path / "env" / python_lock.STAMP).exists()
    lock.write_text(line)
    result = python_lock.installed(environment, str(lock))
    assert (result["result"], result["changes"]) == (True, {"alpha": {"old": "", "new": "1.0"}}), result["comment"]
    assert (tmp_path / "env" / python_lock.STAMP).exists()


@pytest.mark.parametrize("left", ["no record", "the wheel's record", "renamed", "two"])
def test_state_after_a_killed_pip(python_lock: ModuleType, environment: Path, wheels: Path, tmp_path: Path, left: str) -> None:
    """pip writes RECORD last, and renames what it replaces to `~...`: both may be found after a kill."""
    lock = tmp_path / "lock.txt"
    lock.write_text(wheel(wheels, "alpha", "1.0") + wheel(wheels, "beta", "1.0"))
    assert python_lock.installed(str(environment), str(lock))["changes"] == {}
    info = python_lock._site_packages(str(environment)) / "alpha-1.0.dist-info"
    match left:
        case "no record":
            (info / "RECORD").unlink()
        case "the wheel's record":  # until the scripts in bin are there
            (info / "INSTALLER").unlink()
            (info / "RECORD").write_text("".join((info / "RECORD").read_text().splitlines(keepends=True)[:-1]))
        case "renamed":
            info.rename(info.with_name("~lpha-1.0.dist-info"))
        case "two":
            shutil.copytree(info, info.with_name("alpha-0.9.dist-info"))
    result = python_lock.installed(str(environment), str(lock))
    assert result["result"], result["comment"]
    assert python_lock.installed(str(environment), str(lock))["changes"] == {}
    assert not list(info.parent.glob("~*"))
    assert [path.name for path in info.parent.glob("alpha-*")] == ["alpha-1.0.dist-info"]


def test_state_prunes_what_is_damaged(python_lock: ModuleType, environment: Path, wheels: Path, tmp_path: Path) -> None:
    """What the lock does not list goes, whole or not."""
    lock = tmp_path / "lock.txt"
    lock.write_text(wheel(wheels, "alpha", "1.0"))
    (python_lock._site_packages(str(environment)) / "beta-1.0.dist-info" / "RECORD").unlink()
    result = python_lock.installed(str(environment), str(lock))
    assert result["result"], result["comment"]
    assert python_lock.installed(str(environment), str(lock))["changes"] == {}
