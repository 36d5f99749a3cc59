"""What the doctor says, and what it asks."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from salt.exceptions import CommandExecutionError

from pillars import PASSWORD_KEYS


def test_doctor(phagescan: Callable[..., Any]) -> None:
    """It says that all is well, or fails with every fault."""
    module = phagescan({"phagescan:tls": False})
    module.__utils__["doctor.notes"] = lambda *_: []
    assert module.doctor() == "No faults in pillar or host."
    module.__utils__["doctor.notes"] = lambda *_: ["clock: it is late"]
    assert module.doctor() == "No faults in pillar or host.\nNote: clock: it is late"
    module = phagescan({"phagescan:tls": False, "phagescan:mode": "debug", PASSWORD_KEYS[0]: "short"})
    module.__utils__["doctor.notes"] = lambda *_: []
    with pytest.raises(CommandExecutionError) as failed:
        module.doctor()
    assert [line.split(": ")[0] for line in str(failed.value).splitlines()] == ["phagescan:mode", PASSWORD_KEYS[0]]


def test_doctor_compares_clocks(phagescan: Callable[..., Any]) -> None:
    """Those of workers are read as the application's role, which may have put anything in its table's place; a database
    that is not there yet, or broken, is no matter of clocks.
    """
    module, asked = phagescan({"phagescan:tls": False, "phagescan:user": "shop"}), []

    def run_as(*given: Any) -> list[Any]:
        asked.append(given)
        if len(asked) > 1:
            raise CommandExecutionError("PostgreSQL on port 5432: no such table")
        return [["scan@early", 3600.0]]

    module.__utils__["doctor.notes"] = lambda *given: [f"{each}" for each in given[3]]
    module.__utils__["psql.run_as"], module.__utils__["psql.run"] = run_as, None
    assert module.doctor().endswith("Note: ('scan@early', 3600.0)")
    assert [(user, port, database) for user, _, port, database in asked] == [("shop", 5432, "phage")]
    assert module.doctor() == "No faults in pillar or host."


def test_in_clear(phagescan: Callable[..., Any]) -> None:
    """That passwords cross the network in clear is to be known, until someone has said so."""
    module = phagescan()
    module.__utils__["doctor.notes"] = lambda *_: []
    assert "\nNote: phagescan:tls: is not set" in module.doctor()


def test_doctor_of_what_others_own(phagescan: Callable[..., Any]) -> None:
    """It says what a run would: of the same states, where pillar is good."""
    module, run = (
        phagescan({"phagescan:tls": False}),
        list[Any]([{"state": "file", "fun": "managed", "name": "/etc/theirs"}]),
    )
    module.__utils__["doctor.notes"] = lambda *_: []
    module.__salt__["state.show_lowstate"] = lambda **_: run
    module.__utils__["ownership.judge"] = lambda chunks, _settings, **_asked: (
        [f"file {chunks[0]['name']}: why"],
        set(),
        False,
    )
    with pytest.raises(CommandExecutionError, match=r"^file /etc/theirs: why$"):
        module.doctor()
    run[0:] = ["Rendering SLS 'base:nginx.config' failed"]  # a line, where there is no run
    with pytest.raises(CommandExecutionError, match=r"^Rendering SLS 'base:nginx.config' failed$"):
        module.doctor()


def test_doctor_tries_pip(phagescan: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a virtualenv lacks is asked of the index that the run would ask, and what is not to be had is said."""
    module, lock = phagescan({"phagescan:tls": False}), tmp_path / "lock.txt"
    module.__utils__["doctor.notes"] = lambda *_: []
    module.__salt__["cp.cache_file"] = lambda _source: str(lock)
    run = [{"state": "python_lock", "fun": "installed", "name": str(tmp_path / "venv"), "source": "salt://lock.txt"}]
    module.__salt__["state.show_lowstate"] = lambda **_: run
    module.__utils__["ownership.judge"] = lambda *_, **__: ([], set(), False)
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/")
    lock.write_text("")
    assert module.doctor() == "No faults in pillar or host."
    lock.write_text(f"alpha==1.0 --hash=sha256:{'0' * 64}\n")
    with pytest.raises(CommandExecutionError) as failed:
        module.doctor()
    assert str(failed.value).startswith(f"{tmp_path}/venv: pip cannot fetch what it lacks (")
    assert "No matching distribution found for alpha==1.0" in str(failed.value)
