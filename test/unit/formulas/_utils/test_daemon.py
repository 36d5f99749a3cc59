"""System services as systemd knows them, and what is done to them."""

import os
import re
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from salt.exceptions import CommandExecutionError

SHOWN = """\
Id=web.service
Type=forking
LoadState=loaded
ActiveState=active
UnitFileState=enabled
InactiveExitTimestampMonotonic=5000000
NeedDaemonReload=yes
NRestarts=3
MainPID=0
ReadWritePaths=/run
WorkingDirectory=/
BindPaths=
PrivateTmp=no

Id=timer.timer
LoadState=loaded
ActiveState=failed
UnitFileState=disabled
InactiveExitTimestampMonotonic=0
NeedDaemonReload=no

Id=none.service
LoadState=not-found
ActiveState=inactive
UnitFileState=
InactiveExitTimestampMonotonic=0
NeedDaemonReload=no

"""


@pytest.fixture
def shows(daemon: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Gives the module a systemd, and a systemctl that prints this."""

    def start(command: list[str], **options: Any) -> subprocess.Popen[str]:
        daemon.calls.append(" ".join(command))
        return subprocess.Popen(command, **options)

    def make(text: str, code: int = 0) -> None:
        (tmp_path / "shown").write_text(text)
        (tmp_path / "systemctl").write_text(f"#!/bin/sh\ncat {tmp_path}/shown\nexit {code}\n")
        (tmp_path / "systemctl").chmod(0o755)
        daemon._booted = lambda: True
        daemon.programs = SimpleNamespace(**vars(daemon.programs) | {"start": start})

    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    return make


def test_systemd(daemon: Any, shows: Callable[..., None]) -> None:
    """One systemctl for all; each unit's block is read in the order that was asked."""
    shows(SHOWN)
    found = daemon.status(dict.fromkeys(["web", "timer.timer", "none"]))
    (call,) = daemon.calls
    assert call.endswith("web.service timer.timer none.service")
    assert set(call.split()[3].split(",")) == {line.partition("=")[0] for line in SHOWN.split()}
    since = found["web"].pop("since")
    assert since == pytest.approx(time.time() - time.monotonic() + 5, abs=0.5)
    web = {"exists": True, "running": True, "starting": False, "enabled": True, "masked": False, "changed": True}
    assert found["web"] == web | {"failures": 3, "notifies": False, "unwritable": "", "elsewhere": ""}
    timer = {"exists": True, "running": False, "enabled": False, "masked": False, "changed": False, "failures": 0}
    assert found["timer.timer"].items() >= timer.items()
    assert found["none"].items() >= {"exists": False, "running": False, "enabled": False, "changed": True}.items()


@pytest.mark.parametrize(
    ("key", "value", "field", "expected"),
    [
        ("ActiveState", "reloading", "running", True),
        ("ActiveState", "activating", "running", False),
        ("ActiveState", "activating", "starting", True),
        ("ActiveState", "deactivating", "running", False),
        ("UnitFileState", "masked", "enabled", False),
        ("UnitFileState", "alias", "enabled", True),
        ("UnitFileState", "static", "enabled", True),
        ("LoadState", "masked", "exists", True),
        ("LoadState", "masked", "masked", True),
        ("LoadState", "bad-setting", "exists", False),
        ("LoadState", "bad-setting", "masked", False),
        ("NRestarts", "", "failures", 0),
        ("Type", "notify", "notifies", True),
        ("Type", "notify-reload", "notifies", True),
        ("Type", "simple", "notifies", False),
        ("NeedDaemonReload", "no", "changed", False),
    ],
)
def test_systemd_states(
    daemon: Any, shows: Callable[..., None], key: str, value: str, field: str, expected: bool
) -> None:
    """What systemd's words mean for us."""
    lines = [f"{key}={value}" if line.startswith(key) else line for line in SHOWN.split("\n\n")[0].splitlines()]
    shows("\n".join(lines))
    assert daemon.status({"web": None})["web"][field] is expected


@pytest.mark.parametrize(
    ("paths", "expected"),
    [
        ("", ""),
        ("{rw}", ""),
        ("{rw} {ro}", "{ro}"),
        ("+{ro}", "{ro}"),
        ("{rw}/gone", "{rw}/gone"),
        ("-{rw}/gone", ""),
        ("-{ro} {rw}/gone", "{ro}"),
    ],
)
def test_unwritable(daemon: Any, shows: Callable[..., None], tmp_path: Path, paths: str, expected: str) -> None:
    """A running service that cannot write, where its unit lets it, is known by the path; a stopped one has none."""
    names = {"rw": str(tmp_path), "ro": f"{tmp_path}/ro"}  # for reading only, as a unit's other directories are
    (tmp_path / "ro").mkdir()
    mount = f"mount --bind {names['ro']} {names['ro']} && mount -o remount,bind,ro {names['ro']}"
    command = ["unshare", "--mount", "sh", "-c", f"{mount}; echo; exec sleep 600"]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as inside:
        assert inside.stdout
        assert inside.stdout.read(1)
        for pid, path in ((inside.pid, expected), (0, "")):
            text = SHOWN.split("\n\n")[0].replace("MainPID=0", f"MainPID={pid}")
            shows(text.replace("ReadWritePaths=/run", f"ReadWritePaths={paths.format(**names)}"))
            assert daemon.status({"web": None})["web"]["unwritable"] == path.format(**names)
        inside.kill()


def test_unwritable_for_all(daemon: Any, shows: Callable[..., None], monkeypatch: Any) -> None:
    """A file system that is mounted for reading only is no matter of the service, which a restart would help."""
    monkeypatch.setattr(daemon.os, "statvfs", lambda _path: SimpleNamespace(f_flag=os.ST_RDONLY))
    shows(SHOWN.split("\n\n")[0].replace("MainPID=0", f"MainPID={os.getpid()}"))
    assert daemon.status({"web": None})["web"]["unwritable"] == ""


def test_systemd_was_asked(daemon: Any, shows: Callable[..., None]) -> None:
    """What was asked before is not asked again; an answer that is none is a failure with its reason."""
    shows(SHOWN)
    asked = daemon.ask(["web", "timer.timer", "none"])
    assert daemon.status(dict.fromkeys(["web", "timer.timer", "none"]), asked)["web"]["running"]
    assert len(daemon.calls) == 1
    shows("Failed to connect to bus\n", code=1)
    with pytest.raises(CommandExecutionError, match=r"^systemctl show failed \(1\): Failed to connect to bus$"):
        daemon.status({"web": None}, daemon.ask(["web"]))


def test_nobody_to_ask(daemon: Any) -> None:
    """Without systemd no process is started to ask."""
    daemon.programs = None
    assert daemon.ask(["web"]) is None


@pytest.mark.parametrize(
    ("booted", "verb", "calls"),
    [
        (True, "restart", ["systemctl restart a b"]),
        (True, "enable", ["systemctl enable a b"]),
        (True, "unmask", ["systemctl unmask a b", "systemctl unmask --runtime a b"]),
        (False, "reload", ["service a reload", "service b reload"]),
        (False, "restart", ["service a stop", "service a start", "service b stop", "service b start"]),
        (False, "enable", [f"update-rc.d {name} {how}" for name in "ab" for how in ("defaults", "enable")]),
        (False, "disable", [f"update-rc.d {name} {how}" for name in "ab" for how in ("defaults-disabled", "disable")]),
    ],
)
def test_act(daemon: Any, booted: bool, verb: str, calls: list[str]) -> None:
    """Each init is spoken to in its own way; what was started or restarted is stamped."""
    daemon._booted = lambda: booted
    daemon.act(verb, {"a": None, "b": None})
    assert daemon.calls == calls
    assert sorted(path.name for path in daemon.STAMPS.glob("*")) == (["a", "b"] if verb[:2] == "re" else [])


def test_failed_act_leaves_no_stamp(daemon: Any) -> None:
    """A restart that failed was none."""
    daemon.call = lambda *_command: daemon.real_call("false")
    with pytest.raises(CommandExecutionError):
        daemon.act("restart", {"web": None})
    assert not list(daemon.STAMPS.glob("*"))


def test_one_fails(daemon: Any) -> None:
    """Without systemd too, a service that cannot be restarted keeps no other from it."""

    def call(*command: str) -> str:
        if command == ("service", "b", "start"):
            raise CommandExecutionError("service b start failed (1): no luck")
        return ""

    daemon.call = call
    with pytest.raises(CommandExecutionError, match=r"^service b start failed \(1\): no luck$"):
        daemon.act("restart", dict.fromkeys("abc"))
    assert sorted(path.name for path in daemon.STAMPS.glob("*")) == ["a", "c"]


def test_call(daemon: Any) -> None:
    """A command's output comes back, and does not wait for a daemon that keeps it open."""
    before = time.monotonic()
    assert daemon.real_call("sh", "-c", "echo out; sleep 3 &") == "out\n"
    assert time.monotonic() - before < 2


def test_call_fails(daemon: Any) -> None:
    """The reason of a failure is what the command said."""
    with pytest.raises(CommandExecutionError, match=r"failed \(3\): reason"):
        daemon.real_call("sh", "-c", "echo some; echo reason >&2; exit 3")


def test_salt_loads_them(minion: Callable[..., SimpleNamespace]) -> None:
    """Salt's own loader finds the utils, and none is for the command line."""
    made = minion()
    assert "daemon.status" in made.utils
    assert "daemon.status" not in made.salt
    assert made.utils["freshness.newest_watched"]({}, []) == (0.0, "")


@pytest.mark.parametrize("unit", ["", "BindPaths=/srv:{}:rbind", "PrivateTmp=yes"])
def test_elsewhere(daemon: Any, shows: Callable[..., None], tmp_path: Path, unit: str) -> None:
    """A running service whose directory is another than this host's is known by the path, unless its unit says so."""
    link, real = tmp_path / "link", tmp_path / "samples"
    real.mkdir()
    link.symlink_to(real)
    found = []
    command = ["unshare", "--mount", "sh", "-c", f"mount -t tmpfs none {real}; echo; exec sleep 600"]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as inside:
        assert inside.stdout
        inside.stdout.read(1)
        for pid in (inside.pid, os.getpid(), 0):
            text = SHOWN.split("\n\n")[0].replace("MainPID=0", f"MainPID={pid}")
            key = unit.partition("=")[0]
            text = re.sub(rf"(?m)^{key}=.*", unit.format(real), text) if unit else text
            shows(text.replace("ReadWritePaths=/run", f"ReadWritePaths={link}"))
            found.append(daemon.status({"web": None})["web"]["elsewhere"])
        inside.kill()
    assert found == ["" if unit else str(real), "", ""]
