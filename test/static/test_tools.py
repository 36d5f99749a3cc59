"""The tools beside the tests: short names of make, hooks of pre-commit, and the locks of all of them."""

import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from tree import ROOT, copy, files, named, python

VENV = Path(sys.executable).parents[1]
HOOKS = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"][0]["hooks"]
TARGETS = re.findall(r"(?m)^([a-z]+):(?: [a-z]+)* ## (\S.*)\n\t@?(.+)\n(?!\t)", (ROOT / "Makefile").read_text())


def packages(path: Path) -> set[tuple[str, str]]:
    """The requirements of a file: names, and versions where they are pinned."""
    found = re.findall(r"(?m)^([A-Za-z0-9._-]+)(?:\[[^]]*\])?(?:==([^ ;\\\n]+))?", path.read_text())
    return {(name.lower().replace("_", "-"), version) for name, version in found}


def test_targets() -> None:
    """Each target of make is explained, and one line that calls a tool of the tree."""
    names = [name for name, *_ in TARGETS]
    assert names == re.findall(r"(?m)^([a-z]+):", (ROOT / "Makefile").read_text())
    phony = re.search(r"(?m)^\.PHONY: (.*)", (ROOT / "Makefile").read_text())
    assert phony
    assert phony[1].split() == names
    assert {"lint", "unit", "host", "changed", "diff", "keys", "locks"} <= set(names)
    for name, _, command in TARGETS[1:]:
        called = [word.removeprefix("./") for word in command.split() if "/" in word and ".venv" not in word]
        assert called, name
        assert set(called) <= set(files()), name


def test_hooks_are_local() -> None:
    """pre-commit is given hooks of this tree alone, each of a kind that it knows; it fetches nothing."""
    config = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())
    assert list(config) == ["repos"]
    assert [repository["repo"] for repository in config["repos"]] == ["local"]
    for hook in HOOKS:
        assert {"id", "name", "language", "entry"} <= set(hook)
        assert set(hook) <= {"id", "name", "language", "entry", "types", "files", "pass_filenames"}
        assert hook["language"] == "system"
        assert hook.get("types", ["python"]) == ["python"]
        re.compile(hook.get("files", ""))
        assert shlex.split(hook["entry"])[0].startswith("test/.venv/bin/")


def of_hook(hook: dict[str, Any]) -> list[str]:
    """The files that pre-commit gives to a hook."""
    return [name for name in (python() if "types" in hook else files()) if re.search(hook.get("files", ""), name)]


@pytest.mark.parametrize("hook", HOOKS, ids=lambda hook: hook["id"])
def test_hook(tmp_path: Path, hook: dict[str, Any]) -> None:
    """A hook accepts every file that it is for, and leaves it as it is."""
    copy(tmp_path)
    (tmp_path / "test" / ".venv").symlink_to(VENV)
    names = of_hook(hook)
    assert len(names) > 3
    command = [*shlex.split(hook["entry"]), *(names if hook.get("pass_filenames", True) else [])]
    ran = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert not [name for name in files() if (tmp_path / name).read_bytes() != (ROOT / name).read_bytes()]


@pytest.mark.parametrize("source", named(".in"))
def test_lock(source: str) -> None:
    """test/lock writes it, and it has what is asked for, each version with its hashes."""
    assert re.search(rf"(?m)^lock {source} ", (ROOT / "test" / "lock").read_text())
    lock = (ROOT / source).with_suffix(".txt")
    wanted, locked = packages(ROOT / source), packages(lock)
    assert wanted
    names = {name for name, _ in locked}
    assert not [name for name, version in wanted if name not in names or (version and (name, version) not in locked)]
    assert all(version for _, version in locked)
    assert len(re.findall(r"==[^\n]*\\\n    --hash=sha256:", lock.read_text())) == len(locked)
