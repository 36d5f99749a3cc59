"""What dpkg and its packages leave: an interrupted run, a link that no one wants."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

DONE = ["dpkg --configure", "dpkg-query --show", "apt-get --yes c:amd64"]


class Dpkg:
    """The state module on a host whose dpkg and apt-get say what the test wants."""

    def __init__(self, load: Callable[..., Any], folder: Path, *, test: bool) -> None:
        self.util = util = load("_utils/dpkg")
        self.starts = starts = load("_utils/starts")
        starts.POLICY, starts.KEPT = folder / "policy-rc.d", folder / "kept"
        utils = {f"starts.{name}": getattr(starts, name) for name in ("held", "left", "release")}
        utils |= {"dpkg.unfinished": util.unfinished, "daemon.status": {}.copy, "starts.stopped": lambda *_: ["web"]}
        self.state = load("_states/dpkg", __opts__={"test": test}, __lowstate__=[], __utils__=utils)
        util.LOCKS = (str(folder / "lock-frontend"), str(folder / "lock"))
        util.UPDATES = str(folder / "updates")
        self.database = folder / "status"
        util.DATABASE = str(self.database)
        self.database.write_text(
            "Package: a\nStatus: install ok installed\n\nPackage: b\nStatus: deinstall ok config-files\n"
        )
        self.state._run = self.run
        self.did: list[str] = []
        self.code = {"dpkg": 0, "dpkg-query": 0, "apt-get": 0}

    def leave(self, state: str) -> None:
        """A package in this state, among others."""
        self.database.write_text(
            f"{self.database.read_text()}\nPackage: c\nStatus: install reinstreq {state}\nVersion: 1\n"
        )

    def run(self, command: list[str]) -> subprocess.CompletedProcess[str]:
        """Notes the command."""
        names = command[command.index("install") + 1 :] if "install" in command else []
        self.did.append(" ".join([*command[:2], *names]))
        assert " web " in self.starts.POLICY.read_text()
        flags = "install ok a\ninstall reinstreq c:amd64\ndeinstall reinstreq d\n" if command[0] == "dpkg-query" else ""
        return subprocess.CompletedProcess(command, self.code[command[0]], flags, "E: no\n  luck")


@pytest.fixture
def dpkg(load: Callable[..., Any], tmp_path: Path) -> Callable[..., Dpkg]:
    """Makes such a host; `tmp_path` is dpkg's folder of updates."""
    return lambda *, test=False: Dpkg(load, tmp_path, test=test)


def test_configured(dpkg: Callable[..., Dpkg], tmp_path: Path) -> None:
    """Where nothing was interrupted nothing is done, also where dpkg has no folder of updates."""
    host = dpkg()
    assert (host.state.configured("apt")["result"], host.state.configured("apt")["changes"], host.did) == (True, {}, [])
    (tmp_path / "updates").mkdir()
    assert host.state.configured("apt")["changes"] == {}


@pytest.mark.parametrize("test", [True, False])
@pytest.mark.parametrize(
    "trace",
    ["unpacked", "half-installed", "half-configured", "triggers-awaited", "triggers-pending", "installed", "update"],
)
def test_interrupted(dpkg: Callable[..., Dpkg], tmp_path: Path, trace: str, test: bool) -> None:
    """Either trace of a killed run has it completed; a preview says so."""
    host = dpkg(test=test)
    if trace == "update":
        (tmp_path / "updates").mkdir()
        (tmp_path / "updates" / "0001").touch()
    else:
        host.leave(trace)
    result = host.state.configured("apt")
    assert result["result"] is (None if test else True)
    assert result["changes"]
    assert host.did == ([] if test else DONE)


@pytest.mark.parametrize("test", [True, False])
def test_policy_of_a_killed_run(dpkg: Callable[..., Dpkg], test: bool) -> None:
    """The policy that a killed run has left is taken away, and what was there comes back; a preview says so."""
    host = dpkg(test=test)
    host.starts.POLICY.write_text("own")
    host.starts.hold(["web"])
    result = host.state.configured("apt")
    assert (result["result"], bool(result["changes"]), host.did) == (None if test else True, True, [])
    assert host.starts.left() is test
    assert (host.starts.KEPT if test else host.starts.POLICY).read_text() == "own"


HOLD = """
import fcntl, sys
file = open(sys.argv[1], "wb")
fcntl.lockf(file, fcntl.LOCK_EX)
print("held", flush=True)
input()
"""


@pytest.mark.parametrize("lock", ["lock-frontend", "lock"])
def test_at_work(dpkg: Callable[..., Dpkg], tmp_path: Path, lock: str) -> None:
    """What apt or dpkg is at work on was not interrupted; the state leaves it to apt to wait for its end."""
    host = dpkg()
    host.leave("unpacked")
    assert host.util.interrupted()
    assert not (tmp_path / lock).exists()
    with subprocess.Popen([sys.executable, "-c", HOLD, tmp_path / lock], stdin=-1, stdout=-1, text=True) as other:
        assert other.stdout
        assert other.stdout.readline() == "held\n"
        assert not host.util.interrupted()
        assert host.state.configured("apt")["changes"]
        other.communicate("\n")
    assert host.did == DONE
    assert host.util.interrupted()
    # Who asked keeps no lock.
    subprocess.run([sys.executable, "-c", HOLD, tmp_path / lock], input="\n", text=True, timeout=30, check=True)


def test_interrupted_and_repaired_by_apt(dpkg: Callable[..., Dpkg]) -> None:
    """What dpkg alone cannot complete is apt's; when that fails, it is the reason."""
    host = dpkg()
    host.leave("half-installed")
    host.code |= {"dpkg": 1}
    assert host.state.configured("apt")["result"]
    host.code |= {"dpkg": 0, "apt-get": 100}
    result = host.state.configured("apt")
    assert (result["result"], result["changes"]) == (False, {})
    assert result["comment"].endswith("failed (100): E: no luck")
    assert not host.starts.left()


def test_run(load: Callable[..., Any]) -> None:
    """Programs are asked no questions, and ask none."""
    done = load("_states/dpkg")._run(["sh", "-c", 'echo "$DEBIAN_FRONTEND $LC_ALL"; cat'])
    assert done.stdout == "noninteractive C.UTF-8\n"


@pytest.mark.parametrize("test", [True, False])
@pytest.mark.parametrize(
    ("there", "package", "foreseen", "done"),
    [
        ("link", True, True, True),
        ("dangling", True, True, True),
        ("nothing", True, False, False),
        ("file", True, False, False),
        ("nothing", False, True, False),
        ("link", False, True, True),
    ],
)
def test_link_absent(
    dpkg: Callable[..., Dpkg], tmp_path: Path, there: str, package: bool, foreseen: bool, done: bool, test: bool
) -> None:
    """The package's link goes, and a preview without the package knows of it; a file of somebody's own stays."""
    link, config = tmp_path / "default", tmp_path / "nginx.conf"
    if there in ("link", "dangling"):
        link.symlink_to(tmp_path if there == "link" else "missing")
    elif there == "file":
        link.touch()
    if package:
        config.touch()
    result = dpkg(test=test).state.link_absent(str(link), comes_with=str(config))
    changed = foreseen if test else done
    assert result["result"] is (None if test and changed else True)
    assert bool(result["changes"]) is changed
    assert link.is_symlink() is (there in ("link", "dangling") and test)
    assert link.exists() is (there == "file" or (there == "link" and test))
