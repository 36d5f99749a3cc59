"""Which version the tree is, which one the host was converged with, and what the highstate makes of it."""

import itertools
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[4]


@pytest.fixture
def release(load: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """The module, on a host of its own."""
    module = load("_utils/release")
    monkeypatch.setattr(module, "RECORD", str(tmp_path / "version"))
    monkeypatch.setattr(module, "SETTINGS", (str(tmp_path / "master.toml"), str(tmp_path / "worker.toml")))
    module.recorded.__defaults__ = module.record.__defaults__ = (module.RECORD,)
    return module


def git(folder: Path, *arguments: str) -> str:
    """What git says."""
    identity = ("-c", "user.name=unit", "-c", "user.email=unit@localhost")
    done = subprocess.run(["git", "-C", folder, *identity, *arguments], capture_output=True, text=True, check=True)
    return done.stdout.strip()


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A clone with one commit."""
    folder = tmp_path / "clone"
    folder.mkdir()
    git(folder, "init", "--quiet", "--initial-branch", "topic/one")
    git(folder, "commit", "--quiet", "--allow-empty", "--message", "first")
    return folder


def test_versions_are_numbers() -> None:
    """VERSION is one line, and the newest entry of the changelog is about it."""
    version = (ROOT / "VERSION").read_text()
    assert version == f"{version.strip()}\n"
    assert all(part.isdigit() for part in version.strip().split("."))
    changelog = (ROOT / "CHANGELOG.rst").read_text().splitlines()
    entries = [line for line, below in itertools.pairwise(changelog) if line and below == "=" * len(line)]
    assert entries == ["Changelog", version.strip(), *entries[2:]]
    assert entries[-1] == "1.0"


def test_host(release: Any, tmp_path: Path) -> None:
    """A bare host, one that was converged before versions were recorded, and one of whom the version is known."""
    (tmp_path / "VERSION").write_text("1.1\n")
    assert release.known(str(tmp_path)) == {"tree": "1.1", "host": "not converged yet"}
    (tmp_path / "worker.toml").touch()
    assert release.known(str(tmp_path))["host"].startswith("1.0 or older")
    release.record("1.1")
    assert release.known(str(tmp_path)) == {"tree": "1.1", "host": "1.1"}
    assert (tmp_path / "version").stat().st_mode & 0o777 == 0o644
    assert release.known(str(tmp_path / "nowhere"))["tree"].startswith("unknown")


def test_revision(release: Any, clone: Path, tmp_path: Path) -> None:
    """It is the commit that git names: on a branch, packed, detached, in a work tree beside the clone; else there is
    none.
    """
    first = git(clone, "rev-parse", "HEAD")
    assert release.revision(str(clone)) == first
    git(clone, "pack-refs", "--all")
    assert not list((clone / ".git/refs/heads").rglob("one"))
    assert release.revision(str(clone)) == first
    git(clone, "worktree", "add", "--quiet", "-b", "two", str(tmp_path / "beside"))
    git(tmp_path / "beside", "commit", "--quiet", "--allow-empty", "--message", "second")
    second = git(tmp_path / "beside", "rev-parse", "HEAD")
    assert release.revision(str(tmp_path / "beside")) == second != first
    git(clone, "checkout", "--quiet", "--detach", second)
    assert release.revision(str(clone)) == second
    assert release.revision(str(tmp_path)) == ""


@pytest.fixture
def converged(load: Callable[..., Any], release: Any, tmp_path: Path) -> Callable[..., dict[str, Any]]:
    """Ends a run of these results with the state."""

    def make(*results: bool | None, version: str = "1.1", test: bool = False) -> dict[str, Any]:
        (tmp_path / "VERSION").write_text(version)
        dunders = {
            "__utils__": {f"release.{name}": getattr(release, name) for name in ("tree", "recorded", "record")},
            "__salt__": {"phagescan.checkout": lambda: str(tmp_path)},
            "__running__": {str(number): {"result": result} for number, result in enumerate(results)},
            "__opts__": {"test": test},
        }
        return load("_states/phagescan", **dunders).converged(release.RECORD)

    return make


def test_a_run_is_recorded_once(converged: Callable[..., dict[str, Any]], release: Any) -> None:
    """The first run that ends well records the version, the next has nothing to do, and so on with the next version."""
    said = converged(True, None, True)
    assert (said["result"], said["changes"]) == (True, {"version": {"old": "", "new": "1.1"}})
    assert release.recorded() == "1.1"
    said = converged(True)
    assert (said["result"], said["changes"]) == (True, {})
    assert converged(version="1.2")["changes"] == {"version": {"old": "1.1", "new": "1.2"}}
    assert release.recorded() == "1.2"


def test_a_preview_records_nothing(converged: Callable[..., dict[str, Any]], release: Any) -> None:
    """It says what the run would record."""
    said = converged(True, None, test=True)
    assert (said["result"], said["changes"]) == (None, {"version": {"old": "", "new": "1.1"}})
    assert release.recorded() == ""


@pytest.mark.parametrize("test", [False, True])
def test_a_failed_run_is_not_recorded(converged: Callable[..., dict[str, Any]], release: Any, test: bool) -> None:
    """One state that failed is enough; the version before is still the host's."""
    converged(True)
    said = converged(True, False, True, version="1.2", test=test)
    assert (said["result"], said["changes"]) == (True, {})
    assert said["comment"] == "Not recorded, as something failed; the version is still 1.1."
    assert release.recorded() == "1.1"


def test_a_tree_without_a_version(converged: Callable[..., dict[str, Any]], release: Any) -> None:
    """Nothing is recorded, and nothing fails."""
    said = converged(True, version="")
    assert (said["result"], said["changes"]) == (True, {})
    assert release.recorded() == ""
