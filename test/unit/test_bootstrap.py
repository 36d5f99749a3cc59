"""What ./bootstrap makes of its arguments, and of how it is called, before it looks at the host."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
VERSION = (ROOT / "VERSION").read_text()


def run(*words: str | Path, cwd: Path = ROOT, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a command with an environment of its own."""
    return subprocess.run(words, cwd=cwd, env=environment, capture_output=True, text=True)


@pytest.mark.parametrize("argument", ["--help", "-h"])
def test_help(argument: str) -> None:
    """Help is given, and nothing else is done."""
    shown = run("./bootstrap", argument, "test=True")
    assert (shown.returncode, shown.stderr) == (0, "")
    assert shown.stdout.startswith("Usage: ./bootstrap ")


@pytest.mark.parametrize(
    "argument", ["tset=True", "test=maybe", "-n", "--tset", "install", "", "test = True", "PILLAR={}"]
)
def test_unknown_argument(argument: str) -> None:
    """An argument that it does not know is named and refused."""
    refused = run("./bootstrap", "test=True", argument)
    assert (refused.returncode, refused.stdout) == (2, "")
    assert refused.stderr == f"bootstrap: unknown argument: {argument} (see ./bootstrap --help)\n"


def test_adopt_is_no_preview() -> None:
    """What a host belongs to is not previewed."""
    refused = run("./bootstrap", "--adopt", "test=1")
    assert refused.returncode == 1
    assert refused.stderr.startswith("bootstrap: --adopt changes what this host belongs to")


def test_link(tmp_path: Path) -> None:
    """Through symbolic links, relative ones too, it finds its checkout."""
    (tmp_path / "pb").symlink_to(os.path.relpath(ROOT / "bootstrap", tmp_path))
    (tmp_path / "again").symlink_to("pb")
    assert run("./again", "--version", cwd=tmp_path).stdout == VERSION


def test_by_another_directory() -> None:
    """By a relative path and with CDPATH, with no PATH and as a shell's argument, it does too."""
    parent, name = ROOT.parent, ROOT.name
    assert run("/bin/sh", f"{name}/bootstrap", "--version", cwd=parent, CDPATH=".:/tmp").stdout == VERSION
    assert run("/bin/sh", "bootstrap", "--version", PATH="").stdout == VERSION


def test_not_in_a_checkout(tmp_path: Path) -> None:
    """A copy of the file alone, or what comes through a pipe, says where to run."""
    shutil.copy(ROOT / "bootstrap", tmp_path)
    refused = run("./bootstrap", "test=True", cwd=tmp_path)
    assert refused.returncode == 1
    assert refused.stderr == f"bootstrap: run this in the checkout, as ./bootstrap: {tmp_path} is none\n"
    with (ROOT / "bootstrap").open() as text:
        piped = subprocess.run(["/bin/sh"], cwd=tmp_path, stdin=text, capture_output=True, text=True)
    assert piped.returncode == 1
    assert piped.stderr.startswith("bootstrap: run this in the checkout")


@pytest.mark.parametrize("name", ['a"b', "a'b", "a$b", "a`b", "a\\b", "a\nb", "a;b", "a{{b}}", "ü"])
def test_path(tmp_path: Path, name: str) -> None:
    """A path that files of sh and YAML would take for something else is refused before anything is done."""
    checkout = tmp_path / name
    (checkout / "roots/minion").mkdir(parents=True)
    (checkout / "roots/minion/salt.txt").touch()
    shutil.copy(ROOT / "bootstrap", checkout)
    refused = run("./bootstrap", "test=True", cwd=checkout)
    assert refused.returncode == 1
    assert refused.stderr.endswith(": move the checkout to a path of letters, digits and / . _ - only\n")


def test_path_with_a_blank(tmp_path: Path) -> None:
    """A blank does no harm."""
    checkout = tmp_path / "a b"
    (checkout / "roots/minion").mkdir(parents=True)
    (checkout / "roots/minion/salt.txt").touch()
    (checkout / "VERSION").write_text("9.9\n")
    shutil.copy(ROOT / "bootstrap", checkout)
    assert run("./bootstrap", "--version", cwd=checkout).stdout == "9.9\n"
