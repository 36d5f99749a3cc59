"""Sources of packages that do not answer are reported before a run touches the host."""

import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

DEAD = ("Could not connect", None)


@pytest.mark.parametrize(
    ("sources", "faults", "notes"),
    [
        ({}, ["archive: apt has no sources; see /etc/apt/sources.list"], []),
        ({"a": ("", None)}, [], []),
        ({"a": DEAD, "b": ("", None)}, [], ["archive: a does not answer: Could not connect"]),
        (
            {"a": DEAD, "b": DEAD},
            ["archive: a does not answer (nor 1 more): Could not connect; see the network and apt's sources"],
            [f"archive: {name} does not answer: Could not connect" for name in "ab"],
        ),
    ],
)
def test_archive(machine: Any, tmp_path: Path, sources: dict[str, Any], faults: list[str], notes: list[str]) -> None:
    """No source that answers is a fault, one of several a note; asked where packages are missing, or for the doctor."""
    machine.answers(sources)
    assert machine.ask() == []
    assert machine.ask(thorough=True) == faults
    assert machine.checks.notes([], {}) == notes
    (tmp_path / "usr/sbin/nginx").unlink()
    assert machine.ask() == faults
    assert machine.ask(["worker"]) == []


def test_clock_of_the_archive(machine: Any) -> None:
    """An archive from tomorrow is a fault of the clock; one from yesterday may be a cache's, and a note."""
    machine.answers({"a": ("", time.time() + 90000)})
    (fault,) = machine.ask(thorough=True)
    assert fault.startswith("clock: it is ")
    machine.answers({"a": ("", time.time() - 90000)})
    assert machine.ask(thorough=True) == []
    (note,) = machine.checks.notes([], {})
    assert note.startswith("clock: it is ")


def test_sources(load: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """apt's own programs are asked: which sources there are, and what each says."""
    module: Any = load("_utils/doctor").archive
    module.sources.cache_clear()
    uris = {"http://dead.example/": "", "http://good.example/dists/x/": "InRelease", "http://old.example/": "Release"}

    def run(command: list[str], **_options: Any) -> subprocess.CompletedProcess[str]:
        if command[0] == "apt-get":
            listed = [f"'{uri}InRelease' name 0\n'{uri}main/Packages.xz' name 0\n" for uri in uris]
            return subprocess.CompletedProcess(command, 0, "".join(listed), "")
        folder, _, name = command[-2].rpartition("/")
        if uris[f"{folder}/"] == name:
            return subprocess.CompletedProcess(
                command, 0, "", "HTTP/1.1 200 OK\r\nDate: Tue, 24 Nov 2026 15:00:00 GMT\r\n"
            )
        reason = "404  Not Found" if uris[f"{folder}/"] else "Could not connect to dead.example"
        return subprocess.CompletedProcess(
            command, 100, "", f"E: Failed to fetch {command[-2]}  {reason}\nE: Download Failed\n"
        )

    monkeypatch.setattr(module, "subprocess", SimpleNamespace(**{**vars(subprocess), "run": run}))
    date = 1795532400.0
    good = ("", date)
    dead = ("Could not connect to dead.example", None)
    assert module.sources() == dict(zip(uris, (dead, good, good), strict=True))
