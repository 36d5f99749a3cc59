"""Services that packages do not start: policy-rc.d as invoke-rc.d and deb-systemd-invoke ask it."""

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from salt.exceptions import CommandExecutionError

NO, UNDEFINED = 101, 104  # of policy-rc.d(8)


@pytest.fixture
def starts(load: Callable[..., Any], tmp_path: Path) -> Any:
    """The util, whose policy-rc.d is in tmp_path."""
    module = load("_utils/starts")
    module.POLICY, module.KEPT = tmp_path / "policy-rc.d", tmp_path / "policy-rc.d.kept"
    return module


def ask(starts: Any, *arguments: str) -> int:
    """What the policy says."""
    return subprocess.run([starts.POLICY, *arguments], check=False).returncode


@pytest.mark.parametrize(
    ("asked", "code"),
    [
        ("nginx start 2", NO),
        ("--quiet nginx start", NO),
        ("nginx.service restart", NO),
        ("nginx (start)", NO),
        ("epmd.socket start", NO),
        ("postgresql@17-main.service try-restart", NO),
        ("nginx stop", UNDEFINED),
        ("nginx reload", UNDEFINED),
        ("cron start", UNDEFINED),
        ("--quiet cron restart", UNDEFINED),
        ("epmd start", UNDEFINED),
        ("ngin start", UNDEFINED),
    ],
)
def test_policy(starts: Any, asked: str, code: int) -> None:
    """What is held is not started, by either name; all else is as without a policy."""
    with starts.held(["nginx", "epmd.socket", "postgresql@17-main"]):
        assert ask(starts, *asked.split(maxsplit=1 if "(" in asked else -1)) == code
    assert not starts.POLICY.exists()


@pytest.mark.parametrize("link", [True, False])
def test_of_the_operator(starts: Any, tmp_path: Path, link: bool) -> None:
    """The operator's own policy goes on deciding, and is put back as it was."""
    own = tmp_path / "own" if link else starts.POLICY
    own.write_text('#!/bin/sh\n[ "$*" = "cron start" ] && exit 101\nexit 0\n')
    own.chmod(0o755)
    if link:
        starts.POLICY.symlink_to(own)
    with starts.held(["nginx"]):
        assert [ask(starts, name, "start") for name in ("nginx", "cron", "other")] == [NO, NO, 0]
    assert ask(starts, "cron", "start") == NO
    assert starts.POLICY.is_symlink() is link
    assert not starts.left()


def test_killed(starts: Any) -> None:
    """What a killed run has left is taken for nobody's: the operator's policy comes back with the next."""
    starts.POLICY.write_text("own")
    starts.hold(["nginx"])
    assert starts.left()
    with starts.held(["other"]):
        assert [ask(starts, name, "start") for name in ("nginx", "other")] == [UNDEFINED, NO]
    assert (starts.POLICY.read_text(), starts.left()) == ("own", False)
    starts.POLICY.replace(starts.KEPT)  # killed between the two steps
    assert starts.left()
    starts.release()
    assert (starts.POLICY.read_text(), starts.left()) == ("own", False)


def test_fails(starts: Any, tmp_path: Path) -> None:
    """A failure of apt leaves nothing; a directory that cannot be written is named."""
    with pytest.raises(CommandExecutionError, match="apt"), starts.held(["nginx"]):
        raise CommandExecutionError("apt")
    assert not starts.left()
    starts.POLICY = tmp_path / "missing" / "policy-rc.d"
    with pytest.raises(CommandExecutionError, match=r"missing/policy-rc\.new: No such file"), starts.held(["nginx"]):
        pass


def test_stopped(starts: Any) -> None:
    """Of the run's services those that do not run are held; what runs is restarted by its package."""
    chunks = [
        {"state": "daemon", "fun": "running", "name": "nginx", "pidfile": "/run/nginx.pid"},
        {"state": "daemon", "fun": "dead", "name": "supervisor"},
        {"state": "daemon", "fun": "running", "name": "postgresql"},
        {"state": "daemon", "fun": "asked", "name": "services-asked"},
        {"state": "file", "fun": "managed", "name": "/etc/x"},
    ]

    def status(services: dict[str, str | None]) -> dict[str, dict[str, bool]]:
        assert services == {"nginx": "/run/nginx.pid", "supervisor": None, "postgresql": None}
        return {name: {"running": name == "postgresql"} for name in services}

    assert starts.stopped(chunks, status) == ["nginx", "supervisor"]
    assert starts.stopped(chunks[3:], status) == []
