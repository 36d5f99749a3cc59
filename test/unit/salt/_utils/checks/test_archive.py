"""Sources of packages that cannot be used are reported before a run touches the host."""

import time
from pathlib import Path
from typing import Any

import pytest

DEAD = "Could not connect"


@pytest.mark.parametrize(
    ("problems", "well", "faults"),
    [
        ({}, [], ["archive: apt has no sources; see /etc/apt/sources.list"]),
        ({}, ["a"], []),
        ({"a": DEAD}, ["b"], []),
        (
            {"a": DEAD, "b": DEAD},
            [],
            ["archive: a cannot be used (nor 1 more): Could not connect; see the network and apt's sources"],
        ),
    ],
)
def test_archive(machine: Any, tmp_path: Path, problems: dict[str, str], well: list[str], faults: list[str]) -> None:
    """No source that can be used is a fault, one of several a note; asked where packages are missing, or by the
    doctor.
    """
    machine.answers(problems, well)
    assert machine.ask() == []
    assert machine.ask(thorough=True) == faults
    assert machine.checks.notes([], {}, machine.look) == [f"archive: {name}: {DEAD}" for name in problems]
    (tmp_path / "usr/sbin/nginx").unlink()
    assert machine.ask() == faults
    assert machine.ask(["worker"]) == []


def test_clock_of_the_archive(machine: Any) -> None:
    """An archive from tomorrow is a fault of the clock; one from yesterday may be a cache's, and a note."""
    machine.answers({}, ["a"], time.time() + 90000)
    (fault,) = machine.ask(thorough=True)
    assert fault.startswith("clock: it is ")
    machine.answers({}, ["a"], time.time() - 90000)
    assert machine.ask(thorough=True) == []
    (note,) = machine.checks.notes([], {}, machine.look)
    assert note.startswith("clock: it is ")
