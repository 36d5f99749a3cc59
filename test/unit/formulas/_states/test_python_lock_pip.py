"""A virtualenv is made as its lock says, by the real pip, whatever a killed run has left."""

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest

from wheels import installer, wheel


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where pip is compiled to, once for all its runs."""
    return Path(sys.pycache_prefix) if sys.pycache_prefix else tmp_path_factory.mktemp("compiled")


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


@pytest.fixture
def environment(python_lock: Any, wheels: Path, tmp_path: Path) -> Path:
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


def test_state_repairs_and_prunes(python_lock: Any, environment: Path, wheels: Path, tmp_path: Path) -> None:
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


def test_state_installs_what_was_locked(python_lock: Any, wheels: Path, tmp_path: Path) -> None:
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
def test_state_after_a_killed_pip(python_lock: Any, environment: Path, wheels: Path, tmp_path: Path, left: str) -> None:
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


def test_state_prunes_what_is_damaged(python_lock: Any, environment: Path, wheels: Path, tmp_path: Path) -> None:
    """What the lock does not list goes, whole or not."""
    lock = tmp_path / "lock.txt"
    lock.write_text(wheel(wheels, "alpha", "1.0"))
    (python_lock._site_packages(str(environment)) / "beta-1.0.dist-info" / "RECORD").unlink()
    result = python_lock.installed(str(environment), str(lock))
    assert result["result"], result["comment"]
    assert python_lock.installed(str(environment), str(lock))["changes"] == {}
