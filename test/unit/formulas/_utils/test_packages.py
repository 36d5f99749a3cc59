"""Packages by apt: sources that cannot be used, locks of others, and reasons."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from salt.exceptions import CommandExecutionError

STATUS = """Package: a
Status: install ok installed

Package: b
Essential: yes
Status: hold ok installed

Package: c
Status: deinstall ok config-files

Package: d
Status: install ok half-configured
"""
BROKEN = """\
W: Failed to fetch http://dead/debian/dists/x/InRelease  Could not connect
Err:1 http://far/debian x InRelease
  Could not resolve
E: The repository 'http://old/debian trixie Release' does not have a Release file.
E: The repository 'file:/unsigned stable Release' is not signed.
"""
DPKG = """\
Setting up other (1) ...
Setting up web (1) ...
web: bind to [::]:80 failed
dpkg: error processing package web (--configure):
 installed web package post-installation script subprocess returned error exit status 1
"""


@pytest.fixture
def packages(load: Callable[..., Any], tmp_path: Path) -> Any:
    """The util on a host of tmp_path; `answers` are those of apt-get, by its command."""
    module = load("_utils/packages", __context__={})
    (tmp_path / "status").write_text(STATUS)
    module.DATABASE, module.LISTS, module.LOCKS = str(tmp_path / "status"), str(tmp_path), (str(tmp_path / "lock"),)
    module.answers, module.did = {}, []

    def run(command: list[str], **_options: Any) -> subprocess.CompletedProcess[str]:
        verb = next(word for word in command if word in ("update", "install"))
        module.did.append(verb)
        answers = module.answers.get(verb, [(0, "", "")])
        return subprocess.CompletedProcess(command, *(answers.pop(0) if len(answers) > 1 else answers[0]))

    module.programs = SimpleNamespace(**vars(module.programs) | {"run": run})
    return module


def test_missing(packages: Any) -> None:
    """Held packages are installed; half configured and removed ones are not."""
    assert packages.missing(["a", "b", "c", "d", "e", "e"]) == ["c", "d", "e"]


def test_bad_sources(packages: Any) -> None:
    """A source that is dead, has no release file or is not signed is a note; packages come from the others."""
    packages.answers["update"] = [(100, "", BROKEN)]
    notes = packages.install(["e"])
    assert packages.did == ["update", "install"]
    assert [note.split(": ")[0] for note in notes] == [
        *("source http://old/debian", "source file:/unsigned", "source http://dead/debian", "source http://far/debian"),
    ]
    packages.answers["install"] = [(100, "", "E: Unable to locate package e")]
    with pytest.raises(CommandExecutionError, match=r"Unable to locate package e; source http://old.*Release file"):
        packages.install(["e"])


def test_broken_settings(packages: Any) -> None:
    """What apt says of its own settings is no source's."""
    packages.answers["update"] = [(100, "", "E: Malformed entry 1 in list file x\nE: No list could be read.")]
    problems, well, _ = packages.look()
    assert (list(problems), well) == (["apt"], [])
    assert "Malformed entry 1" in problems["apt"]


def test_reason_of_dpkg(packages: Any) -> None:
    """The words of the package that failed, not only that dpkg did."""
    packages.answers["install"] = [(100, DPKG, "E: Sub-process /usr/bin/dpkg returned an error code (1)")]
    with pytest.raises(CommandExecutionError, match=r": Setting up web .*bind to \[::\]:80 failed.*error code"):
        packages.install(["web"])


HOLD = """
import fcntl, sys
file = open(sys.argv[1], "wb")
fcntl.lockf(file, fcntl.LOCK_EX)
print("held", flush=True)
input()
"""


def test_lock_of_another(packages: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """It is waited for, and named by PID and program."""
    caplog.set_level("INFO", "progress")
    with subprocess.Popen([sys.executable, "-c", HOLD, tmp_path / "lock"], stdin=-1, stdout=-1, text=True) as other:
        assert other.stdout
        assert other.stdout.readline() == "held\n"
        packages.time = SimpleNamespace(**vars(packages.time) | {"sleep": lambda _: other.communicate("\n")})
        packages.apt("install")
    assert f"waiting for PID {other.pid} (python" in caplog.text
    assert packages.did == ["install"]
    packages.answers["install"] = [(100, "", "E: Could not get lock /x. It is held by process 1 (apt)"), (0, "", "")]
    assert packages.apt("install").returncode == 0
