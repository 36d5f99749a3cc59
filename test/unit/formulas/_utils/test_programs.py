"""Programs are run without a terminal, and say why they failed."""

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from salt.exceptions import CommandExecutionError


@pytest.fixture
def programs(load: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The util; logs of services are below tmp_path, and there is no journal."""
    module = load("_utils/programs")
    module.LOGS = str(tmp_path)
    monkeypatch.setattr(module.os.path, "isdir", lambda _: False)
    return module


def test_no_terminal(programs: Any) -> None:
    """Neither standard input nor /dev/tty is there to ask at."""
    done = programs.run([sys.executable, "-c", "import sys; print(repr(sys.stdin.read())); open('/dev/tty')"])
    assert done.stdout == "''\n"
    assert "No such device" in done.stderr


def test_decodes_whatever_it_is(programs: Any) -> None:
    """Words in Latin 1 are a reason, too; input comes as it is given."""
    assert programs.run(["cat"], stdin="ü\n").stdout == "ü\n"
    with pytest.raises(CommandExecutionError, match=r"Schl.ssel fehlt"):
        programs.call("sh", "-c", r"printf 'Schl\374ssel fehlt\n' >&2; exit 1")


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("echo out; echo why >&2; exit 3", "failed (3): why"),
        ("echo out; exit 3", "failed (3): out"),
        ("exit 3", "failed (3): it said nothing"),
        ("kill -KILL $$", "was ended by SIGKILL: it said nothing"),
    ],
)
def test_failure(programs: Any, script: str, said: str) -> None:
    """Which program, how it ended, and its last words, wherever it wrote them."""
    with pytest.raises(CommandExecutionError) as failed:
        programs.call("sh", "-c", script)
    assert str(failed.value).endswith(said)


def test_cannot_be_run(programs: Any) -> None:
    """One that is missing is named; one that takes too long is ended, with what it has started."""
    with pytest.raises(CommandExecutionError, match=r"no-such-program: No such file"):
        programs.call("no-such-program")
    with pytest.raises(CommandExecutionError, match=r"sh gave no answer in 0\.2 s"):
        programs.call("sh", "-c", "sleep 60 & wait", timeout=0.2)


def test_a_daemon_is_not_awaited(programs: Any) -> None:
    """What goes on in the background keeps no one waiting, though it keeps the output open."""
    pid = int(programs.call("sh", "-c", "sleep 60 & echo $!"))
    os.kill(pid, signal.SIGKILL)


@pytest.mark.parametrize(
    "said",
    [
        "Job for web-server.service failed because the control process exited with error code.",
        'invoke-rc.d: initscript web-server, action "start" failed.',
    ],
)
@pytest.mark.parametrize("path", ["web/error.log", "web-server.log"])
def test_words_of_the_service(programs: Any, tmp_path: Path, said: str, path: str) -> None:
    """Where a service did not start, its log says why; another's, or an old one, does not."""
    (tmp_path / "web").mkdir()
    for name, line in (("other.log", "no"), ("web/access.log", "no"), ("web/old.log", "no"), (path, "bad port")):
        (tmp_path / name).write_text(f"{line}\n")
    os.utime(tmp_path / "web/old.log", (0, 0))
    with pytest.raises(CommandExecutionError, match=r"failed.* bad port$"):
        programs.call("sh", "-c", f"echo '{said}' >&2; exit 1")


def test_last_lines(programs: Any, tmp_path: Path) -> None:
    """They are those of the newest file, short, and without what would move a terminal's cursor."""
    for number, name in enumerate(("old.log", "new.log")):
        (tmp_path / name).write_text(f"{name} 1\n{name} 2\n{name} \x1b[31m3\n" + "x" * 10_000)
        os.utime(tmp_path / name, (number, number))
    lines = programs.last_lines("unit", f"{tmp_path}/*.log")
    assert lines[0] == "x" * 300
    (tmp_path / "new.log").write_text("1\n2\n3\n\x1b[31m4\n")
    assert programs.last_lines("unit", f"{tmp_path}/*.log", file=3) == ["2", "3", " [31m4"]
    assert programs.last_lines("unit", f"{tmp_path}/none") == []


@pytest.mark.parametrize("said", ["{}", "amqp://user:{}@host", "'{}'"])
def test_no_secret_in_a_comment(load: Callable[..., Any], said: str) -> None:
    """What a program repeats of a password is not in the state's comment."""
    secret = "a'b/0123456789abcdef"
    pillar = {"rabbitmq": {"users": {"u": {"password": secret}}}, "name": "harmless"}
    comment = load("_utils/results", __pillar__=pillar).failed("x", f"harmless {said.format(secret)}")["comment"]
    assert "harmless" in comment
    assert "0123456789" not in comment
