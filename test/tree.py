"""The files of the work tree, and what kind each is."""

import functools
import os
import re
import shutil
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[1]


KERNELS = {
    "": "Debian 12 and 13",
    "_old": "Landlock of an older version",
    "_none": "no Landlock",
    "_nouser": "users may not make namespaces",
}
"""What a kernel may lack of a sandbox, by test/host/support/hostile.py, and the rows of SECURITY.md."""


def remaining(lack: str) -> set[str]:
    """What SECURITY.md says that an engine which was taken over may still do on a kernel that lacks something."""
    (row,) = (line for line in (ROOT / "SECURITY.md").read_text().splitlines() if line.startswith(f"| {KERNELS[lack]}"))
    return set(re.findall(r"`([^`]+)`", row))


@functools.cache
def files() -> list[str]:
    """Every file of the work tree that git does not ignore."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=ROOT,
        capture_output=True,
        check=True,
    )
    return sorted(name for name in set(listed.stdout.decode().split("\0")) if name and (ROOT / name).is_file())


def named(*suffixes: str) -> list[str]:
    """Those whose name ends so."""
    return [name for name in files() if name.endswith(suffixes)]


@functools.cache
def scripts() -> dict[str, str]:
    """Files that say on their first line what runs them, and what that is."""
    found = {}
    for name in files():
        with (ROOT / name).open("rb") as script:
            first = script.readline().decode(errors="replace").strip()
        if match := re.fullmatch(r"#! ?/[^ ]*?(?:bin/env )?(sh|bash|python3?)\b.*", first):
            found[name] = match[1]
    return found


def shell_scripts() -> dict[str, str]:
    """Scripts and the shell each wants."""
    return {name: runner for name, runner in scripts().items() if "python" not in runner}


def python() -> list[str]:
    """Modules, and scripts without a suffix."""
    without_suffix = (name for name, runner in scripts().items() if "python" in runner and "." not in name)
    return sorted({*named(".py"), *without_suffix})


def copy(folder: Path) -> None:
    """Write every file of the work tree into a folder."""
    for name in files():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, folder / name)


def git(folder: Path, *arguments: str) -> str:
    """What git answers in a folder, without the configuration of whoever asks."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    environment |= {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}
    for who in ("AUTHOR", "COMMITTER"):
        environment |= {f"GIT_{who}_NAME": "test", f"GIT_{who}_EMAIL": "test@localhost"}
    return subprocess.run(
        ["git", *arguments], cwd=folder, env=environment, stdout=subprocess.PIPE, text=True, check=True
    ).stdout


def repository(folder: Path) -> None:
    """Make a repository whose one commit is the work tree."""
    copy(folder)
    git(folder, "init", "--quiet")
    git(folder, "add", "--all", "--force")
    git(folder, "commit", "--quiet", "--message=tree")
