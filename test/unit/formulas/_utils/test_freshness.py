"""Which of the files a process has read changed last, and when it was started."""

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture
def freshness(load: Callable[..., Any]) -> Any:
    """The utility module."""
    return load("_utils/freshness", __opts__={"test": False})


def chunk(
    name: Path | str, ident: str, fun: str = "managed", state: str = "file", sls: str = "web.config"
) -> dict[str, Any]:
    """A state of the compiled run."""
    return {"state": state, "fun": fun, "__id__": ident, "name": str(name), "__sls__": sls}


def aged(path: Path, changed: float, text: str = "") -> Path:
    """A file that changed at this time."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    os.utime(path, (changed, changed))
    return path


def test_newest_of_the_watched(freshness: Any, tmp_path: Path) -> None:
    """By ID and by name, the newest counts; what is not watched does not."""
    old, new, other = (aged(tmp_path / name, when) for name, when in (("old", 100), ("new", 200), ("other", 300)))
    states = [chunk(old, "web-old"), chunk(new, "web-new"), chunk(other, "web-other")]
    watch = {"watch": [{"file": "web-old"}, {"file": str(new)}]}
    assert freshness.newest_watched(watch, states) == (200.0, str(new))
    assert freshness.newest_watched(watch, states, lambda path: path.endswith("old")) == (100.0, str(old))
    assert freshness.newest_watched(watch, states, lambda path: False) == (0.0, "")


def test_other_state_of_the_same_name(freshness: Any, tmp_path: Path) -> None:
    """An ID is looked for among the states of the module that is watched."""
    path = aged(tmp_path / "file", 100)
    assert freshness.newest_watched({"watch": [{"pkg": "web-file"}]}, [chunk(path, "web-file")]) == (0.0, "")


@pytest.mark.parametrize(
    ("watch", "only"),
    [
        ([], True),
        ([{"file": "web-file"}], True),
        ([{"file": "web-file"}, {"pkg": "web-package"}], False),
        ([{"sls": "web.config"}], False),
        ([{"file": "web-folder"}], False),
    ],
)
def test_watches_files_only(freshness: Any, tmp_path: Path, watch: list[dict[str, str]], only: bool) -> None:
    """Of a package, or a directory's owner, no file tells the time of a change."""
    states = [
        chunk(tmp_path / "file", "web-file"),
        chunk(tmp_path, "web-folder", fun="directory"),
        chunk("nginx", "web-package", fun="installed", state="pkg"),
    ]
    assert freshness.watches_files_only({"watch": watch}, states) is only


def test_nothing_watched(freshness: Any, tmp_path: Path) -> None:
    """Without a watch nothing is newer than anything."""
    assert freshness.newest_watched({}, [chunk(aged(tmp_path / "file", 100), "web-file")]) == (0.0, "")


def test_sls(freshness: Any, tmp_path: Path) -> None:
    """A watched SLS stands for each file of it, and not for its directories or packages."""
    path, foreign = aged(tmp_path / "a" / "file", 100), aged(tmp_path / "foreign", 300)
    states = [
        chunk(path, "web-file"),
        chunk(foreign, "db-file", sls="db.config"),
        chunk(tmp_path / "a", "web-folder", fun="directory"),
        chunk("nginx", "web-package", fun="installed", state="pkg"),
    ]
    assert freshness.newest_watched({"watch": [{"sls": "web.config"}]}, states) == (100.0, str(path))


def test_source_tree(freshness: Any, tmp_path: Path) -> None:
    """Every file below counts, except what Python itself writes there."""
    newest = aged(tmp_path / "code" / "deep" / "er" / "file.py", 200)
    aged(tmp_path / "code" / "file.py", 100)
    aged(tmp_path / "code" / "deep" / "__pycache__" / "file.pyc", 300)
    os.utime(tmp_path / "code", (50, 50))
    states = [chunk(tmp_path / "code", "web-code", fun="copied", state="source_tree")]
    assert freshness.newest_watched({"watch": [{"source_tree": "web-code"}]}, states) == (200.0, str(newest))


def test_source_tree_of_a_removed_file(freshness: Any, tmp_path: Path) -> None:
    """A file that was removed from the root leaves the directory's time."""
    aged(tmp_path / "code" / "file.py", 100)
    os.utime(tmp_path / "code", (400, 400))
    states = [chunk(tmp_path / "code", "web-code", fun="copied", state="source_tree")]
    assert freshness.newest_watched({"watch": [{"source_tree": "web-code"}]}, states) == (400.0, str(tmp_path / "code"))


@pytest.mark.parametrize("fun", ["absent", "link_absent"])
def test_absent(freshness: Any, tmp_path: Path, fun: str) -> None:
    """A file that is to be absent leaves the time of its directory."""
    os.utime(tmp_path, (150, 150))
    states = [chunk(tmp_path / "default", "web-default", fun=fun)]
    assert freshness.newest_watched({"watch": [{"file": "web-default"}]}, states) == (150.0, str(tmp_path))


@pytest.mark.parametrize(("link_time", "target_time", "expected"), [(100, 200, 200.0), (300, 200, 300.0)])
def test_symlink(freshness: Any, tmp_path: Path, link_time: int, target_time: int, expected: float) -> None:
    """A link changes with its target, and when it is turned to another."""
    link = tmp_path / "enabled"
    link.symlink_to(aged(tmp_path / "available", target_time))
    os.utime(link, (link_time, link_time), follow_symlinks=False)
    states = [chunk(link, "web-enabled", fun="symlink")]
    assert freshness.newest_watched({"watch": [{"file": "web-enabled"}]}, states)[0] == expected


@pytest.mark.parametrize("kind", ["file", "link"])
def test_file_of_tomorrow(freshness: Any, tmp_path: Path, kind: str) -> None:
    """What is dated in the future is dated to now, and is so no longer newer than what is restarted then; a preview
    says the same and changes nothing.
    """
    path = aged(tmp_path / "file", time.time() + 7200)
    if kind == "link":
        path = tmp_path / "link"
        path.symlink_to("file")
        os.utime(path, (time.time() + 9000, time.time() + 9000), follow_symlinks=False)
    watch, states = {"watch": [{"file": "web-file"}]}, [chunk(path, "web-file")]
    before = time.time() - 1
    freshness.__opts__ = {"test": True}
    assert before <= freshness.newest_watched(watch, states)[0] <= time.time()
    assert path.stat().st_mtime > time.time() + 7000
    freshness.__opts__ = {"test": False}
    assert before <= freshness.newest_watched(watch, states)[0] <= time.time()
    assert max(path.stat().st_mtime, path.lstat().st_mtime) <= time.time()
    restarted = time.time() + 0.1
    assert freshness.newest_watched(watch, states)[0] < restarted


def test_missing_file(freshness: Any, tmp_path: Path) -> None:
    """A file that is not there yet (a preview) is not newer."""
    states = [chunk(tmp_path / "missing", "web-file")]
    assert freshness.newest_watched({"watch": [{"file": "web-file"}]}, states)[0] == 0.0


@pytest.mark.parametrize(
    ("status", "changes", "reload", "actions"),
    [
        # The table of its docstring, row by row.
        ({"running": False}, {}, False, ["start"]),
        ({"running": False}, {"starts": "/unit", "reads": "/conf"}, True, ["start"]),
        ({"running": False, "unwritable": "/log"}, {"reads": "/conf"}, True, ["start"]),
        ({"unwritable": "/log"}, {}, True, ["restart"]),
        ({"elsewhere": "/log"}, {"reads": "/conf"}, True, ["restart"]),
        ({"unwritable": "/log"}, {"reads": "/conf"}, True, ["restart"]),
        ({}, {"starts": "/unit", "reads": "/unit"}, False, ["restart"]),
        ({}, {"starts": "/unit", "reads": "/conf"}, True, ["restart"]),
        ({}, {"reads": "/conf"}, False, ["restart"]),
        ({}, {"reads": "/conf"}, True, ["reload"]),
        ({}, {}, False, []),
        ({}, {"reads": ""}, True, []),
        # And what comes before and after it.
        ({"enabled": False}, {}, False, ["enable"]),
        ({"masked": True, "running": False, "enabled": False}, {}, False, ["unmask", "start", "enable"]),
        ({"enabled": False}, {"reads": "/conf"}, True, ["reload", "enable"]),
    ],
)
def test_decide(
    freshness: Any, status: dict[str, Any], changes: dict[str, str], reload: bool, actions: list[str]
) -> None:
    """What a service needs follows from its status, what changed, and whether it can reload; each action has a
    reason.
    """
    decided = freshness.decide({"running": True, "enabled": True, "masked": False} | status, changes, reload)
    assert list(decided) == actions
    assert all(decided.values())


def test_noted(freshness: Any, tmp_path: Path) -> None:
    """A directory whose files were removed is as new as that, though its own times do not show it."""
    freshness.CHANGED = tmp_path / "run" / "changed"
    code = tmp_path / "code"
    code.mkdir()
    os.utime(code, (500, 500))
    low, lowstate = (
        {"watch": [{"x": "code"}]},
        [{"state": "x", "fun": "copied", "name": str(code), "__id__": "code", "__sls__": "x"}],
    )
    assert freshness.newest_watched(low, lowstate) == (500, str(code))
    before = time.time() - 1
    freshness.note(str(code))
    newest, path = freshness.newest_watched(low, lowstate)
    assert (newest > before, path) == (True, str(code))
