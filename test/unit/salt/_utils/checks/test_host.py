"""What a host lacks is reported before a run touches it: room, memory, the time."""

import os
import time
from pathlib import Path
from typing import Any

import pytest

ROLES = ["master", "worker"]


def test_converged(machine: Any) -> None:
    """A host on which all is well has no faults, and nothing is asked of the archive."""
    machine.answers(None)
    assert machine.ask() == []


@pytest.mark.parametrize(
    ("bare", "roles", "needed"),
    [(False, ROLES, 165), (True, ROLES, 1205), (True, ["worker"], 345)],
)
def test_disk(machine: Any, tmp_path: Path, bare: bool, roles: list[str], needed: int) -> None:
    """What directories of one file system need is added up: more on a bare host, and less where only a worker comes."""
    for name in ("var", "etc", "tmp"):
        (tmp_path / name).mkdir()
    if bare:
        (tmp_path / "opt/venv/pyvenv.cfg").unlink()
        (tmp_path / "usr/sbin/nginx").unlink()
    machine.has_room(needed)
    assert machine.ask(roles) == []
    machine.has_room(needed - 1)
    (fault,) = machine.ask(roles)
    said = f"disk: {needed} MiB are needed for /usr, /var, /opt, /etc, /tmp, and {needed - 1} MiB are free; make room"
    assert fault == said


@pytest.mark.parametrize(
    ("bare", "roles", "needed"), [(False, ROLES, 100), (True, ROLES, 1000), (True, ["worker"], 400)]
)
def test_memory(machine: Any, tmp_path: Path, bare: bool, roles: list[str], needed: int) -> None:
    """Swap counts as memory; a container's limit does, too, but not what its files take of it while no one needs
    more.
    """
    if bare:
        (tmp_path / "opt/venv/pyvenv.cfg").unlink()
    machine.has_memory(needed - 50, swap=50)
    assert machine.ask(roles) == []
    machine.has_memory(needed - 50, swap=49)
    said = [f"memory: {needed} MiB are needed, and {needed - 1} MiB are free; add memory or swap"]
    assert machine.ask(roles) == said
    machine.has_memory(50000)
    (tmp_path / "cgroup").mkdir()
    (tmp_path / "cgroup/memory.current").write_text(f"{800 << 20}\n")
    cache = {"anon": 300, "shmem": 20, "inactive_file": 250, "active_file": 200, "slab_reclaimable": 50, "slab": 70}
    (tmp_path / "cgroup/memory.stat").write_text("".join(f"{name} {size << 20}\n" for name, size in cache.items()))
    (tmp_path / "cgroup/memory.max").write_text(f"{(needed + 300) << 20}\n")
    assert machine.ask(roles) == []
    (tmp_path / "cgroup/memory.max").write_text(f"{(needed + 299) << 20}\n")
    assert machine.ask(roles) == said
    (tmp_path / "cgroup/memory.max").write_text("max\n")
    assert machine.ask(roles) == []


def test_clock(machine: Any, tmp_path: Path) -> None:
    """A clock that is a day or more behind a file of the checkout is wrong; hours are a matter of time zones."""
    path = tmp_path / "checkout/salt/top.sls"
    path.parent.mkdir(parents=True)
    path.touch()
    for ahead, faults in ((0, 0), (80000, 0), (90000, 1)):
        os.utime(path, times=(time.time() + ahead,) * 2)
        assert len(machine.ask(checkout=[str(tmp_path / "checkout"), str(tmp_path / "none")])) == faults
    (fault,) = machine.ask(checkout=[str(tmp_path / "checkout")])
    assert fault.startswith("clock: it is ")
    assert f"and {path} is of " in fault


def test_clocks_of_workers(load: Any) -> None:
    """One that differs by more than a minute is named, ahead or behind."""
    notes = load("_utils/doctor").host.notes
    said = list(notes([("scan@near", 59.0), ("scan@early", 3600.4), ("scan@late", -90.0)]))
    assert [line.partition(";")[0] for line in said] == [
        "clock: that of scan@early is 3600 s ahead of this host's",
        "clock: that of scan@late is 90 s behind this host's",
    ]
