"""A converged host for the checks that look at the host itself."""

import os
from collections.abc import Callable, Iterable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

ROLES = ("master", "worker")


class Machine:
    """A host below a directory, with room, memory, and an archive that answers."""

    def __init__(self, checks: Any, monkeypatch: pytest.MonkeyPatch, top: Path) -> None:
        self.checks, self.monkeypatch, self.top = checks, monkeypatch, top
        host = checks.host
        for module in (host, checks.listening, checks.listening.epmd):
            monkeypatch.setattr(module, "ROOT", top)
        for module in (host, checks.listening):
            monkeypatch.setattr(module, "PROC", top / "proc")
            monkeypatch.setattr(module, "os", SimpleNamespace(**vars(os)))
        monkeypatch.setattr(host, "CGROUP", top / "cgroup")
        for name in ("opt/venv/pyvenv.cfg", *(program.replace("*", "17") for program in host.PROGRAMS)):
            (top / name).parent.mkdir(parents=True, exist_ok=True)
            (top / name).touch()
        (top / "proc").mkdir()
        self.has_memory(8000)
        self.has_room(50000)
        self.answers({}, ["archive_InRelease"])

    def has_memory(self, mebibytes: int, swap: int = 0) -> None:
        """Have this much memory."""
        (self.top / "proc" / "meminfo").write_text(
            f"MemTotal: 1 kB\nMemAvailable: {mebibytes * 1024} kB\nSwapFree: {swap * 1024} kB\n"
        )

    def has_room(self, mebibytes: int) -> None:
        """Have this much room on the one file system there is."""
        self.checks.host.os.statvfs = lambda _path: SimpleNamespace(f_bavail=mebibytes * 256, f_frsize=4096)

    def answers(self, problems: dict[str, str], well: Iterable[str] = (), *dates: float) -> None:
        """Have sources of packages of which apt finds this."""
        self.look = lambda: (problems, list(well), list(dates))

    def ask(
        self, roles: Iterable[str] = ROLES, checkout: Iterable[str] = (), mode: str = "production", **more: Any
    ) -> list[str]:
        """All faults, as lines."""
        settings = {"phagescan": {"virtualenv": "/opt/venv", "mode": mode}}
        situation = self.checks.Situation(
            settings=settings, given=settings, roles=list(roles), checkout=list(checkout), look=self.look, **more
        )
        return [
            f"{fault.key}: {fault.reason}"
            for module in (self.checks.host, self.checks.listening, self.checks.archive)
            for check in module.CHECKS
            for fault in check(situation)
        ]


@pytest.fixture
def machine(load: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Machine:
    """A converged host on which all is well."""
    return Machine(load("_utils/doctor"), monkeypatch, tmp_path)
