"""What a clone of the tree is on any machine: text with LF, and scripts that can be run."""

import subprocess
from pathlib import Path

from tree import ROOT, files, git, repository, scripts


def binary(content: bytes) -> bool:
    """As git sees it."""
    return b"\0" in content[:8000]


def test_clone_with_autocrlf(tmp_path: Path) -> None:
    """A client whose git writes CRLF gets a checkout whose bootstrap a shell can run."""
    repository(tmp_path / "tree")
    for eol in ("lf", "crlf"):
        # Set before the checkout, as in the configuration of a client.
        git(tmp_path, "-c", "core.autocrlf=true", "-c", f"core.eol={eol}", "clone", "--quiet", "tree", eol)
        names = git(tmp_path / eol, "ls-files", "-z").split("\0")[:-1]
        assert sorted(names) == files()
        contents = {name: (tmp_path / eol / name).read_bytes() for name in names}
        assert not [name for name, content in contents.items() if b"\r" in content and not binary(content)]
        assert contents["bootstrap"].startswith(b"#!/bin/sh\n")
        subprocess.run(["sh", "-n", tmp_path / eol / "bootstrap"], check=True)  # parses it, and runs nothing


def test_text() -> None:
    """Text is as .editorconfig has editors write it: UTF-8, LF, no space before it, and one after the last line."""
    wrong = []
    for name in files():
        content = (ROOT / name).read_bytes()
        if content and not binary(content):
            lines = content.decode().split("\n")
            ends = not lines[-1] and (len(lines) == 1 or lines[-2])
            if not ends or any(line != line.rstrip(" \t\r") for line in lines):
                wrong.append(name)
    assert not wrong


def test_executable() -> None:
    """Whatever says on its first line what runs it is executable, except templates and what is sourced."""
    runnable = set()
    for name in scripts():
        lines = (ROOT / name).read_text().splitlines()
        if "files" not in Path(name).parts and not lines[1].startswith("# Sourced by "):
            runnable.add(name)
    assert {"bootstrap", "test/run", ".ci/run", "bench/scan"} <= runnable
    assert {name for name in files() if (ROOT / name).stat().st_mode & 0o111 == 0o111} == runnable
