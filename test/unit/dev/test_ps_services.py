"""dev/ps_services.sh, with a `service` command that writes down what it is asked."""
# ruff: noqa: D102, D103, D107  (the names of the tests say it)

import os
import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[3] / "roots" / "phagescan" / "dev" / "ps_services.sh"
SERVICES = ["celeryd-master", "celeryd-result", "celeryd-periodic", "supervisord", "gunicorn"]


class Host:
    """A host on which the services named in `broken` fail."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.broken = ""
        self.uid = 0
        self.install(
            "service", 'echo "$1 $2" >>"$LOG"; case " $BROKEN " in *" $1 "*) echo "no $1 here"; exit 3 ;; esac'
        )
        self.install("id", 'echo "$FAKE_UID"')
        self.install("cat", "printf '%s\\n' " + " ".join(SERVICES))

    def install(self, name: str, body: str) -> None:
        program = self.directory / name
        program.write_text(f"#!/bin/sh\n{body}\n")
        program.chmod(0o755)

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        env = {
            "PATH": f"{self.directory}:{os.environ['PATH']}",
            "LOG": str(self.directory / "log"),
            "BROKEN": self.broken,
            "FAKE_UID": str(self.uid),
        }
        return subprocess.run([SCRIPT, *arguments], env=env, capture_output=True, text=True)

    @property
    def asked(self) -> list[str]:
        log = self.directory / "log"
        return log.read_text().splitlines() if log.exists() else []


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return Host(tmp_path)


def test_start_in_order(host: Host) -> None:
    assert host.run("start").returncode == 0
    assert host.asked == [f"{name} start" for name in SERVICES]


def test_stop_backwards(host: Host) -> None:
    assert host.run("stop").returncode == 0
    assert host.asked == [f"{name} stop" for name in reversed(SERVICES)]


def test_restart_stops_all_before_it_starts_any(host: Host) -> None:
    assert host.run("restart").returncode == 0
    assert [line.split()[1] for line in host.asked] == ["stop"] * 5 + ["start"] * 5


def test_one_failure_keeps_no_other_from_starting_and_is_told(host: Host) -> None:
    host.broken = "celeryd-result"
    done = host.run("start")
    assert done.returncode == 1
    assert len(host.asked) == len(SERVICES)
    assert "celeryd-result: could not start\n  no celeryd-result here" in done.stderr


def test_status_tells_what_runs(host: Host) -> None:
    host.uid = 1000
    assert host.run("status").returncode == 0
    host.broken = "gunicorn"
    done = host.run("status")
    assert done.returncode == 1
    assert done.stdout.splitlines()[-2:] == ["supervisord: running", "gunicorn: stopped"]


@pytest.mark.parametrize("arguments", [(), ("begin",), ("start", "now")])
def test_usage(host: Host, arguments: tuple[str, ...]) -> None:
    done = host.run(*arguments)
    assert (done.returncode, done.stdout, host.asked) == (2, "", [])
    assert done.stderr.startswith("usage:")


def test_only_root_starts(host: Host) -> None:
    host.uid = 1000
    done = host.run("start")
    assert (done.returncode, host.asked) == (1, [])
    assert "sudo" in done.stderr


def test_no_master(host: Host) -> None:
    host.install("cat", 'echo "cat: $1: No such file or directory" >&2; exit 1')
    for action in ("start", "status"):
        result = host.run(action)
        assert result.returncode == 1
        assert "no /etc/phagescan/services: this host is no master" in result.stderr
    assert host.asked == []
