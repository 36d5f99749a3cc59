"""One run at a time: who takes the lock, who needs none, and what the second one prints."""

import os
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from salt.exceptions import CommandExecutionError


@pytest.fixture
def alone(load: Callable[..., Any], tmp_path: Path) -> Iterator[Any]:
    """The executor; what it holds is let go afterwards."""
    module = load("_executors/alone", __salt__={"cp.list_states": lambda: ["nginx", "ownership"]})
    module.LOCK = str(tmp_path / "lock")
    module.LEFT = [f"{tmp_path}/{os.path.basename(names)}" for names in module.LEFT]
    opened: list[int] = []
    real = os.open

    def note(*arguments: Any) -> int:
        opened.append(real(*arguments))
        return opened[-1]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module.os, "open", note)
        yield module
    for lock in opened:
        try:
            os.close(lock)
        except OSError:
            pass


def call(module: Any, fun: str, **kwargs: Any) -> dict[str, Any]:
    """What the next executor is given."""
    assert module.execute({"test": False}, {"fun": fun}, print, [], kwargs) is None
    return kwargs


def test_second_is_told(alone: Any) -> None:
    """The first is named with its number and since when; only root may read, or hold, the lock."""
    assert call(alone, "state.highstate") == {"concurrent": True}
    assert os.stat(alone.LOCK).st_mode & 0o777 == 0o600
    with pytest.raises(CommandExecutionError) as reported:
        call(alone, "state.apply", mods="nginx")
    who = rf"state\.highstate, PID {os.getpid()}, since \d{{4}}-\d\d-\d\d \d\d:\d\d:\d\d, is at work: wait for its end"
    assert re.match(who, str(reported.value))


@pytest.mark.parametrize(
    ("fun", "kwargs"),
    [("state.highstate", {"test": True}), ("state.show_highstate", {}), ("phagescan.doctor", {}), ("test.ping", {})],
)
def test_nobody_waits_to_look(alone: Any, fun: str, kwargs: dict[str, Any]) -> None:
    """What changes nothing takes no lock; only what Salt would refuse is let through."""
    call(alone, "state.highstate")
    given = call(alone, fun, **kwargs)
    assert given == (kwargs | {"concurrent": True} if "test" in kwargs else kwargs)


def test_programs_do_not_inherit_it(alone: Any) -> None:
    """The lock goes with its process: a service that the run starts does not keep it."""
    call(alone, "state.highstate")
    (lock,) = [
        int(name) for name in os.listdir("/proc/self/fd") if os.path.realpath(f"/proc/self/fd/{name}") == alone.LOCK
    ]
    assert not os.get_inheritable(lock)


def test_leftovers(alone: Any, tmp_path: Path) -> None:
    """What a killed run has rendered, or not moved to its place, goes; what may be in use stays, and so does all
    else.
    """
    gone = ["__salt.tmp.old", "master.tomlx1y2_3z4", "worker.tomlx1y2_3z4", "phagescanx1y2_3z4"]
    kept = [
        "other",
        "master.toml",
        "worker.toml",
        "phagescan",
        "phagescan.dpkg-new",
        "phagescan-private",
        "master.toml.bak1234",
    ]
    names = dict.fromkeys(gone + kept, 60) | {"__salt.tmp.new": 0}
    for name, age in names.items():
        (tmp_path / name).touch()
        os.utime(tmp_path / name, (time.time() - age,) * 2)
    call(alone, "state.highstate", test=True)
    assert all((tmp_path / name).exists() for name in names)
    call(alone, "state.highstate")
    assert {path.name for path in tmp_path.iterdir()} == {*kept, "__salt.tmp.new", "lock"}


@pytest.mark.parametrize("name", ["tset", "Test", "dry_run", "mod", "piller"])
@pytest.mark.parametrize("fun", ["state.highstate", "state.apply"])
def test_unknown_argument(alone: Any, fun: str, name: str) -> None:
    """What Salt would ignore, and do in earnest, is refused before the lock is taken."""
    with pytest.raises(CommandExecutionError, match=f"^{fun}: {name} is not an argument; a preview is test=True$"):
        call(alone, fun, **{name: True})
    assert not os.path.exists(alone.LOCK)


def test_known_arguments(alone: Any) -> None:
    """What Salt's functions take is let pass, and so is what Salt adds itself."""
    call(alone, "state.highstate", pillar={}, exclude="a", __pub_jid="1")
    call(alone, "phagescan.canary", anything=True)


@pytest.mark.parametrize("fun", ["state.apply", "state.sls"])
def test_single_sls(alone: Any, fun: str) -> None:
    """The check whose things are comes with SLS files that are named in whatever way; a highstate has it."""
    for mods in ("nginx,celery", ["nginx", "celery"]):
        args = [mods]
        alone.execute({"test": True}, {"fun": fun}, print, args, {})
        assert args == [["ownership", "nginx", "celery"]]
        assert call(alone, fun, mods=mods, test=True)["mods"] == ["ownership", "nginx", "celery"]
    assert "mods" not in call(alone, fun, test=True)
    alone.__salt__["cp.list_states"] = lambda: ["nginx"]  # a tree without it
    assert call(alone, fun, mods="nginx", test=True)["mods"] == "nginx"
