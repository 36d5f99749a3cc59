"""pip's environment: where packages come from is the host's to say, where they go is not."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture
def packages(load: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The module, with pip's files below tmp_path."""
    module = load("_utils/python_packages")
    monkeypatch.setattr(module, "FILES", tuple(f"{tmp_path}/{name}" for name in ("xdg", "system", "old", "user")))
    return module


def options(variables: dict[str, str]) -> dict[str, str]:
    """Of these variables, what pip reads."""
    ours = {"PIP_CONFIG_FILE": os.devnull, "PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_NO_INPUT": "1"}
    assert variables.items() >= ours.items()
    return {name: value for name, value in variables.items() if name.startswith("PIP_") and name not in ours}


def test_nothing_said(packages: Any) -> None:
    """Without a word from the host pip asks its usual index, and keeps no copies."""
    assert options(packages.environment({"PATH": "/bin"})) == {"PIP_NO_CACHE_DIR": "1"}
    assert packages.environment({"PATH": "/bin"})["PATH"] == "/bin"


@pytest.mark.parametrize("key", ["user", "target", "prefix", "root", "require-virtualenv", "no-binary", "constraint"])
@pytest.mark.parametrize("section", ["global", "install"])
def test_where_packages_go(packages: Any, tmp_path: Path, section: str, key: str) -> None:
    """No file and no variable says where packages go, or which."""
    (tmp_path / "system").write_text(f"[{section}]\n{key} = true\n")
    variables = packages.environment({f"PIP_{key.upper().replace('-', '_')}": "1", "PYTHONPATH": "/evil"})
    assert options(variables) == {"PIP_NO_CACHE_DIR": "1"}
    assert "PYTHONPATH" not in variables


def test_where_packages_come_from(packages: Any, tmp_path: Path) -> None:
    """Files count in pip's order, the section install over global, and variables over files."""
    (tmp_path / "system").write_text(
        "[global]\nindex-url = https://a\nproxy = http://p%40\n[install]\ncert = /c.pem\nuser = yes\n"
    )
    (tmp_path / "user").write_text("[global]\nindex-url = https://b\nextra-index-url =\n  https://c\n  https://d\n")
    found = options(packages.environment({"PIP_CACHE_DIR": "/cache", "PIP_TRUSTED_HOST": "h"}))
    assert found == {
        "PIP_INDEX_URL": "https://b",
        "PIP_EXTRA_INDEX_URL": "https://c https://d",
        "PIP_PROXY": "http://p%40",
        "PIP_CERT": "/c.pem",
        "PIP_TRUSTED_HOST": "h",
        "PIP_CACHE_DIR": "/cache",
    }
    assert options(packages.environment({"PIP_INDEX_URL": "https://e"}))["PIP_INDEX_URL"] == "https://e"


def test_file_by_variable(packages: Any, tmp_path: Path) -> None:
    """PIP_CONFIG_FILE comes in place of the user's files; /dev/null means none at all."""
    (tmp_path / "user").write_text("[global]\nindex-url = https://user\n")
    (tmp_path / "more").write_text("[global]\nindex-url = https://more\n")
    assert packages.configured("index-url", f"{tmp_path}/more") == "https://more"
    assert packages.configured("index-url", f"{tmp_path}/none") == "https://user"
    assert packages.configured("index-url", os.devnull) == ""


def test_trial(packages: Any, tmp_path: Path) -> None:
    """pip is tried on the virtualenv where there is one, so that only what that lacks is fetched."""
    venv = tmp_path / "venv"
    options = ["--dry-run", "--quiet", "--retries=1", "--no-deps", "--require-hashes", "--requirement", "lock"]
    assert packages.trial(str(venv), "lock") == [*packages.PIP, "install", "--ignore-installed", *options]
    (venv / "bin").mkdir(parents=True)
    (venv / "bin/python").touch(mode=0o755)
    assert packages.trial(str(venv), "lock") == [*packages.PIP, "--python", f"{venv}/bin/python", "install", *options]
