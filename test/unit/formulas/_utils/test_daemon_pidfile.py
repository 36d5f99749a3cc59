"""System services without systemd: what a pid file says of a process, and how it is ended."""

import os
import signal
import subprocess
import threading
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from salt.exceptions import CommandExecutionError


def test_lsb_running(daemon: Any, tmp_path: Path) -> None:
    """The process of the pid file is there, and when it was started is known."""
    pidfile = tmp_path / "web.pid"
    before = time.time()
    with subprocess.Popen(["sleep", "9"]) as process:
        pidfile.write_text(f"{process.pid}\nmore\n")
        status = daemon.status({"web": str(pidfile)})["web"]
        process.kill()
    assert status["running"]
    assert status["since"] == pytest.approx(before, abs=1)
    assert not daemon.status({"web": str(pidfile)})["web"]["running"]


@pytest.mark.parametrize("content", [None, "", "\n", "nonsense", "99999999\n"])
def test_lsb_not_running(daemon: Any, tmp_path: Path, content: str | None) -> None:
    """No pid file, one without a number, or one of a process that ended: not running."""
    pidfile = tmp_path / "web.pid"
    if content is not None:
        pidfile.write_text(content)
    status = daemon.status({"web": str(pidfile)})["web"]
    assert status == {
        **dict.fromkeys(("exists", "running", "starting", "enabled", "masked", "changed", "notifies"), False),
        "failures": 0,
        "since": 0.0,
    }


def test_stamp(daemon: Any, tmp_path: Path) -> None:
    """A reload starts no process: that it was done is noted, and counts from then on."""
    pidfile = tmp_path / "web.pid"
    pidfile.write_text(str(os.getpid()))
    daemon.act("reload", {"web": None})
    stamp = daemon.STAMPS / "web"
    assert daemon.status({"web": str(pidfile)})["web"]["since"] == stamp.stat().st_mtime
    # An old one says nothing, and one from a time that is yet to come neither: the clock was wrong then.
    for when in (1, time.time() + 1000):
        os.utime(stamp, (when, when))
        assert 1000 < daemon.status({"web": str(pidfile)})["web"]["since"] <= time.time()


def test_each_has_its_own_pid_file(daemon: Any, tmp_path: Path) -> None:
    """Of several services that are stopped together each one's process is looked after."""
    with subprocess.Popen(["sleep", "60"]) as first, subprocess.Popen(["sleep", "60"]) as second:
        for name, process in (("a", first), ("b", second)):
            (tmp_path / name).write_text(str(process.pid))
            threading.Thread(target=process.wait).start()
        daemon.act("stop", {"none": None, "a": str(tmp_path / "a"), "b": str(tmp_path / "b")})
        assert (first.wait(9), second.wait(9)) == (-signal.SIGTERM, -signal.SIGTERM)
    assert daemon.calls == ["service none stop", "service a stop", "service b stop"]


def test_restart_of_a_stubborn_process(daemon: Any, tmp_path: Path) -> None:
    """A process that its script leaves running is ended all the same, before another is started."""
    pidfile = tmp_path / "web.pid"
    with subprocess.Popen(["sleep", "60"]) as process:
        pidfile.write_text(str(process.pid))
        threading.Thread(target=process.wait).start()  # as init would
        daemon.act("restart", {"web": str(pidfile)})
        assert process.wait(9) == -signal.SIGTERM
    assert daemon.calls == ["service web stop", "service web start"]


def test_lsb_of_a_reused_number(daemon: Any, tmp_path: Path) -> None:
    """A process that is younger than the pid file is another: it is not running, and not stopped."""
    pidfile = tmp_path / "web.pid"
    with subprocess.Popen(["sleep", "60"]) as process:
        pidfile.write_text(str(process.pid))
        os.utime(pidfile, (time.time() - 60,) * 2)
        assert not daemon.status({"web": str(pidfile)})["web"]["running"]
        daemon.act("stop", {"web": str(pidfile)})
        assert process.poll() is None
        process.kill()


def test_zombie(daemon: Any, tmp_path: Path) -> None:
    """A process that has ended, and that a plain init never asks for, does not run."""
    pidfile = tmp_path / "web.pid"
    with subprocess.Popen(["true"]) as process:
        pidfile.write_text(str(process.pid))
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        assert not daemon.status({"web": str(pidfile)})["web"]["running"]
        assert not daemon._lives(process.pid)
        assert daemon._ends(process.pid, seconds=0)


def test_lives(daemon: Any) -> None:
    """A process lives while it is there, whatever its name; waiting for its end has one."""
    with subprocess.Popen(["bash", "-c", "exec -a ') Z' sleep 9"]) as process:
        assert daemon._lives(process.pid)
        assert not daemon._ends(process.pid, seconds=0)
        process.kill()
    assert not daemon._lives(process.pid)


def test_restart_of_a_process_that_does_not_end(daemon: Any, tmp_path: Path) -> None:
    """No second process is started beside one that ignores its end, and no restart is noted."""
    pidfile = tmp_path / "web.pid"
    pidfile.write_text(str(os.getpid()))
    daemon._ends = lambda _pid, seconds: False
    daemon.os = SimpleNamespace(
        sysconf=os.sysconf, kill=lambda pid, number: daemon.calls.append(f"kill {pid} {number}")
    )
    with pytest.raises(CommandExecutionError, match=r"^web: process \d+ does not end$"):
        daemon.act("restart", {"web": str(pidfile)})
    assert daemon.calls == ["service web stop", f"kill {os.getpid()} {signal.SIGTERM}"]
    assert not list(daemon.STAMPS.glob("*"))


def test_process_started(daemon: Any) -> None:
    """The start of a process is known to the clock tick."""
    before = time.time()
    with subprocess.Popen(["sleep", "9"]) as process:
        after = time.time()
        started = daemon.process_started(process.pid)
        process.kill()
    tick = 2 / os.sysconf("SC_CLK_TCK")
    assert before - tick <= started <= after + tick


def test_process_gone(daemon: Any) -> None:
    """A process that has ended was not started."""
    with subprocess.Popen(["true"]) as process:
        process.wait()
    with pytest.raises(OSError, match=str(process.pid)):
        daemon.process_started(process.pid)
