"""System services: what systemd or a pid file says of them, and what the state then does."""

import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import ModuleType, SimpleNamespace
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
def daemon(load: Callable[..., ModuleType], tmp_path: Path) -> ModuleType:
    """The execution module on a host without systemd, its calls noted in `module.calls`."""
    freshness = load("_utils/freshness")
    module = load("_modules/daemon", __utils__={"freshness.process_started": freshness.process_started})
    module.calls = []
    module.real_call = module._call
    module._call = lambda *command: module.calls.append(" ".join(command)) or ""
    module._booted = lambda: False
    module.STAMPS = tmp_path / "stamps"
    return module


@pytest.fixture
def shows(daemon: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Gives the module a systemd, and a systemctl that prints this."""

    def start(command: list[str], **options: Any) -> subprocess.Popen[str]:
        daemon.calls.append(" ".join(command))
        return subprocess.Popen(command, **options)

    def make(text: str, code: int = 0) -> None:
        (tmp_path / "shown").write_text(text)
        (tmp_path / "systemctl").write_text(f"#!/bin/sh\ncat {tmp_path}/shown\nexit {code}\n")
        (tmp_path / "systemctl").chmod(0o755)
        daemon._booted = lambda: True
        daemon.subprocess = SimpleNamespace(**vars(subprocess) | {"Popen": start})

    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    return make


def test_systemd(daemon: ModuleType, shows: Callable[..., None]) -> None:
    """One systemctl for all; each unit's block is read in the order that was asked."""
    shows(SHOWN)
    found = daemon.status(dict.fromkeys(["web", "timer.timer", "none"]))
    (call,) = daemon.calls
    assert call.endswith("web.service timer.timer none.service")
    assert set(call.split()[3].split(",")) == {line.partition("=")[0] for line in SHOWN.split()}
    since = found["web"].pop("since")
    assert since == pytest.approx(time.time() - time.monotonic() + 5, abs=0.5)
    web = {"exists": True, "running": True, "starting": False, "enabled": True, "masked": False, "changed": True}
    assert found["web"] == web | {"failures": 3, "notifies": False, "shut_out": ""}
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
    daemon: ModuleType, shows: Callable[..., None], key: str, value: str, field: str, expected: bool
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
def test_shut_out(daemon: ModuleType, shows: Callable[..., None], tmp_path: Path, paths: str, expected: str) -> None:
    """A running service that cannot write, where its unit lets it, is known by the path; a stopped one has none."""
    names = {"rw": str(tmp_path), "ro": "/sys"}  # a file system for reading only, as a unit's other directories are
    command = ["unshare", "--mount", "sh", "-c", "mount -o remount,bind,ro /sys; echo; exec sleep 600"]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as inside:
        assert inside.stdout.read(1)
        for pid, path in ((inside.pid, expected), (0, "")):
            text = SHOWN.split("\n\n")[0].replace("MainPID=0", f"MainPID={pid}")
            shows(text.replace("ReadWritePaths=/run", f"ReadWritePaths={paths.format(**names)}"))
            assert daemon.status({"web": None})["web"]["shut_out"] == path.format(**names)
        inside.kill()


def test_systemd_was_asked(daemon: ModuleType, shows: Callable[..., None]) -> None:
    """What was asked before is not asked again; an answer that is none is a failure with its reason."""
    shows(SHOWN)
    asked = daemon.ask(["web", "timer.timer", "none"])
    assert daemon.status(dict.fromkeys(["web", "timer.timer", "none"]), asked)["web"]["running"]
    assert len(daemon.calls) == 1
    shows("Failed to connect to bus\n", code=1)
    with pytest.raises(CommandExecutionError, match=r"^systemctl show failed \(1\): Failed to connect to bus$"):
        daemon.status({"web": None}, daemon.ask(["web"]))


def test_nobody_to_ask(daemon: ModuleType) -> None:
    """Without systemd no process is started to ask."""
    daemon.subprocess = None
    assert daemon.ask(["web"]) is None


def test_lsb_running(daemon: ModuleType, tmp_path: Path) -> None:
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
def test_lsb_not_running(daemon: ModuleType, tmp_path: Path, content: str | None) -> None:
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


def test_stamp(daemon: ModuleType, tmp_path: Path) -> None:
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


@pytest.mark.parametrize(
    ("booted", "verb", "calls"),
    [
        (True, "restart", ["systemctl --quiet restart a b"]),
        (True, "enable", ["systemctl --quiet enable a b"]),
        (True, "unmask", ["systemctl --quiet unmask a b", "systemctl --quiet unmask --runtime a b"]),
        (False, "reload", ["service a reload", "service b reload"]),
        (False, "restart", ["service a stop", "service a start", "service b stop", "service b start"]),
        (False, "enable", [f"update-rc.d {name} {how}" for name in "ab" for how in ("defaults", "enable")]),
        (False, "disable", [f"update-rc.d {name} {how}" for name in "ab" for how in ("defaults-disabled", "disable")]),
    ],
)
def test_act(daemon: ModuleType, booted: bool, verb: str, calls: list[str]) -> None:
    """Each init is spoken to in its own way; what was started or restarted is stamped."""
    daemon._booted = lambda: booted
    daemon.act(verb, {"a": None, "b": None})
    assert daemon.calls == calls
    assert sorted(path.name for path in daemon.STAMPS.glob("*")) == (["a", "b"] if verb[:2] == "re" else [])


def test_each_has_its_own_pid_file(daemon: ModuleType, tmp_path: Path) -> None:
    """Of several services that are stopped together each one's process is looked after."""
    with subprocess.Popen(["sleep", "60"]) as first, subprocess.Popen(["sleep", "60"]) as second:
        for name, process in (("a", first), ("b", second)):
            (tmp_path / name).write_text(str(process.pid))
            threading.Thread(target=process.wait).start()
        daemon.act("stop", {"none": None, "a": str(tmp_path / "a"), "b": str(tmp_path / "b")})
        assert (first.wait(9), second.wait(9)) == (-signal.SIGTERM, -signal.SIGTERM)
    assert daemon.calls == ["service none stop", "service a stop", "service b stop"]


def test_restart_of_a_stubborn_process(daemon: ModuleType, tmp_path: Path) -> None:
    """A process that its script leaves running is ended all the same, before another is started."""
    pidfile = tmp_path / "web.pid"
    with subprocess.Popen(["sleep", "60"]) as process:
        pidfile.write_text(str(process.pid))
        threading.Thread(target=process.wait).start()  # as init would
        daemon.act("restart", {"web": str(pidfile)})
        assert process.wait(9) == -signal.SIGTERM
    assert daemon.calls == ["service web stop", "service web start"]


def test_lsb_of_a_reused_number(daemon: ModuleType, tmp_path: Path) -> None:
    """A process that is younger than the pid file is another: it is not running, and not stopped."""
    pidfile = tmp_path / "web.pid"
    with subprocess.Popen(["sleep", "60"]) as process:
        pidfile.write_text(str(process.pid))
        os.utime(pidfile, (time.time() - 60,) * 2)
        assert not daemon.status({"web": str(pidfile)})["web"]["running"]
        daemon.act("stop", {"web": str(pidfile)})
        assert process.poll() is None
        process.kill()


def test_zombie(daemon: ModuleType, tmp_path: Path) -> None:
    """A process that has ended, and that a plain init never asks for, does not run."""
    pidfile = tmp_path / "web.pid"
    with subprocess.Popen(["true"]) as process:
        pidfile.write_text(str(process.pid))
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        assert not daemon.status({"web": str(pidfile)})["web"]["running"]
        assert not daemon._lives(process.pid)
        assert daemon._ends(process.pid, seconds=0)


def test_lives(daemon: ModuleType) -> None:
    """A process lives while it is there, whatever its name; waiting for its end has one."""
    with subprocess.Popen(["bash", "-c", "exec -a ') Z' sleep 9"]) as process:
        assert daemon._lives(process.pid)
        assert not daemon._ends(process.pid, seconds=0)
        process.kill()
    assert not daemon._lives(process.pid)


def test_restart_of_a_process_that_does_not_end(daemon: ModuleType, tmp_path: Path) -> None:
    """No second process is started beside one that ignores its end, and no restart is noted."""
    pidfile = tmp_path / "web.pid"
    pidfile.write_text(str(os.getpid()))
    daemon._ends = lambda _pid, seconds: False
    daemon.os = SimpleNamespace(kill=lambda pid, number: daemon.calls.append(f"kill {pid} {number}"))
    with pytest.raises(CommandExecutionError, match=r"^web: process \d+ does not end$"):
        daemon.act("restart", {"web": str(pidfile)})
    assert daemon.calls == ["service web stop", f"kill {os.getpid()} {signal.SIGTERM}"]
    assert not list(daemon.STAMPS.glob("*"))


def test_failed_act_leaves_no_stamp(daemon: ModuleType) -> None:
    """A restart that failed was none."""
    daemon._call = lambda *_command: daemon.real_call("false")
    with pytest.raises(CommandExecutionError):
        daemon.act("restart", {"web": None})
    assert not list(daemon.STAMPS.glob("*"))


def test_one_fails(daemon: ModuleType) -> None:
    """Without systemd too, a service that cannot be restarted keeps no other from it."""

    def call(*command: str) -> str:
        if command == ("service", "b", "start"):
            raise CommandExecutionError("service b start failed (1): no luck")
        return ""

    daemon._call = call
    with pytest.raises(CommandExecutionError, match=r"^service b start failed \(1\): no luck$"):
        daemon.act("restart", dict.fromkeys("abc"))
    assert sorted(path.name for path in daemon.STAMPS.glob("*")) == ["a", "c"]


def test_call(daemon: ModuleType) -> None:
    """A command's output comes back, and does not wait for a daemon that keeps it open."""
    before = time.monotonic()
    assert daemon.real_call("sh", "-c", "echo out; sleep 3 &") == "out\n"
    assert time.monotonic() - before < 2


def test_call_fails(daemon: ModuleType) -> None:
    """The reason of a failure is what the command said."""
    with pytest.raises(CommandExecutionError, match=r"failed \(3\): some reason"):
        daemon.real_call("sh", "-c", "echo some; echo reason >&2; exit 3")


class Host:
    """Service `web`, or several, with a configuration file, and the state module that looks after them."""

    def __init__(
        self, load: Callable[..., ModuleType], path: Path, *, test: bool, names: tuple[str, ...] = ("web",), **status: Any
    ) -> None:
        self.status = {"exists": True, "running": True, "enabled": True, "masked": False, "changed": False}
        self.status |= {"failures": 0, "since": 1000.0, "notifies": False, **status}
        self.names, self.others, self.running = list(names), {}, {}
        self.did, self.asked, self.check_fails = [], 0, False
        self.act_fails = False
        path.touch()
        os.utime(path, (500, 500))
        self.path = path
        low = {"state": "daemon", "fun": "running", "__id__": "web-service", "__sls__": "web.service"}
        low |= {"watch": [{"file": "web-config"}]}
        lows = [low | {"name": name, "pidfile": f"/run/{name}.pid"} for name in names]
        file = {"state": "file", "name": str(path), "fun": "managed", "__id__": "web-config", "__sls__": "web.config"}
        freshness = load("_utils/freshness")
        package = {"state": "pkg", "name": "web", "fun": "installed", "__id__": "web-package", "__sls__": "web.install"}
        ours = [
            {"state": "daemon", "name": "all", "fun": fun, "__id__": "all", "__sls__": "web"} for fun in ("asked", "settled")
        ]
        self.state = load(
            "_states/daemon",
            __low__=lows[0],
            __lowstate__=[package, file, *lows, *ours],
            __context__={},
            __opts__={"test": test},
            __running__=self.running,
            __utils__={f"freshness.{name}": getattr(freshness, name) for name in ("newest_watched", "watches_files_only")},
            __salt__={
                "daemon.ask": self.ask,
                "daemon.status": self.tell,
                "daemon.check": self.check,
                "daemon.daemon_reload": lambda: self.did.append("daemon-reload"),
                "daemon.act": self.act,
            },
        )

    def watch(self, **requisite: str) -> None:
        """Let the service watch something else."""
        self.state.__low__["watch"] = [requisite]

    def ask(self, names: list[str]) -> SimpleNamespace:
        """A systemctl that answers what is so now."""
        assert names == self.names
        self.asked += 1
        now = {name: self.status | self.others.get(name, {}) for name in names}
        return SimpleNamespace(now=now, communicate=lambda: self.did.append("answer dropped"))

    def tell(self, services: dict[str, str], asked: Any = None) -> dict[str, Any]:
        """The status of all services of the run."""
        assert services == {name: f"/run/{name}.pid" for name in self.names}
        return (asked or self.ask(list(services))).now

    def act(self, verb: str, services: dict[str, str]) -> None:
        """What is done to the services; one that is restarted with another has its pid file."""
        assert all(path == f"/run/{name if name in self.names else 'web'}.pid" for name, path in services.items())
        self.did.append(" ".join([verb, *services]))
        if self.act_fails:
            raise CommandExecutionError("web failed (1)")

    def check(self, command: str) -> None:
        """The service's own check."""
        self.did.append(command)
        if self.check_fails:
            raise CommandExecutionError(f"{command} failed (1): line 3")


@pytest.fixture
def host(load: Callable[..., ModuleType], tmp_path: Path) -> Callable[..., Host]:
    """Makes a host whose service has the given status."""
    return lambda *, test=False, **status: Host(load, tmp_path / "web.conf", test=test, **status)


def test_running_clean(host: Callable[..., Host]) -> None:
    """A service that runs, is enabled and has read its files is left alone, and is asked for once a run."""
    web = host()
    for _ in range(2):
        result = web.state.running("web", pidfile="/run/web.pid", check="web -t")
        assert (result["result"], result["changes"]) == (True, {})
    assert (web.did, web.asked) == ([], 1)


@pytest.mark.parametrize("test", [True, False])
@pytest.mark.parametrize(
    ("status", "did"),
    [
        ({"running": False}, ["start web"]),
        ({"running": False, "enabled": False}, ["start web", "enable web"]),
        ({"enabled": False}, ["enable web"]),
        ({"since": 499.0}, ["restart web"]),
        ({"since": 499.0, "changed": True}, ["daemon-reload", "restart web"]),
        ({"masked": True, "running": False, "enabled": False}, ["unmask web", "start web", "enable web"]),
        ({"masked": True}, ["unmask web"]),
    ],
)
def test_running(host: Callable[..., Host], status: dict[str, Any], did: list[str], test: bool) -> None:
    """What is missing is done, whoever left it so; a preview names it and does nothing."""
    web = host(test=test, **status)
    result = web.state.running("web", pidfile="/run/web.pid")
    assert result["result"] is (None if test else True)
    assert list(result["changes"]) == ["web " + call.split()[0] for call in did if call != "daemon-reload"]
    assert web.did == ([] if test else did)
    started = any(call.startswith(("start", "restart")) for call in did)
    assert web.asked == (1 if test else 2 + started)  # again before what is done, and after a start


def test_asked(host: Callable[..., Host]) -> None:
    """What systemd was asked before counts, as long as no state has changed anything."""
    web = host()
    assert web.state.asked("all")["changes"] == {}
    web.running["file"] = {"changes": {}}
    assert web.state.running("web", pidfile="/run/web.pid")["changes"] == {}
    assert web.state.asked("all")["result"]
    assert web.state.running("web", pidfile="/run/web.pid")["changes"] == {}
    assert (web.asked, web.did) == (1, [])


@pytest.mark.parametrize("why", ["change", "anew"])
def test_asked_too_early(host: Callable[..., Host], why: str) -> None:
    """An answer from before a change is not taken, nor left unread."""
    web = host()
    web.state.asked("all")
    web.status["exists" if why == "anew" else "running"] = False
    if why == "change":
        web.running["file"] = {"changes": {"diff": "x"}}
        assert list(web.state.running("web", pidfile="/run/web.pid")["changes"]) == ["web start"]
    else:
        assert web.state.known("web", anew=True)["comment"] == "systemd finds no unit web"
    assert web.did[0] == "answer dropped"
    assert web.did.count("answer dropped") == 1


def test_what_was_done_is_known(host: Callable[..., Host]) -> None:
    """After something was done the status that counts is that of afterwards."""
    web = host(running=False)
    web.state.__salt__["daemon.act"] = lambda *_arguments: web.status.update(running=True)
    assert web.state.running("web", pidfile="/run/web.pid")["changes"]
    assert web.state.running("web", pidfile="/run/web.pid")["changes"] == {}
    assert web.asked == 3


def test_a_service_of_this_run(host: Callable[..., Host]) -> None:
    """A service that was not there may have come with a package or a unit file of this run, and is asked for again."""
    web = host(exists=False, running=False, enabled=False)
    web.state.dead("web", pidfile="/run/web.pid")
    web.status |= {"exists": True, "running": True, "enabled": True}
    assert list(web.state.dead("web", pidfile="/run/web.pid")["changes"]) == ["web stop", "web disable"]


def test_unit_file_of_this_run(host: Callable[..., Host]) -> None:
    """systemd is told of a unit that was written after it was first asked."""
    web = host(exists=False, running=False)
    web.check = lambda _command: web.status.update(changed=True)
    web.state.__salt__["daemon.check"] = web.check
    web.state.running("web", pidfile="/run/web.pid", check="web -t")
    assert web.did == ["daemon-reload", "start web"]


def test_failing_act(host: Callable[..., Host]) -> None:
    """A service that does not start is a failure with its reason, changed nothing, and is not waited for."""
    web = host(running=False)
    web.act_fails = True
    result = web.state.running("web", pidfile="/run/web.pid")
    assert (result["result"], result["changes"], result["comment"]) == (False, {}, "web failed (1)")
    assert result["skip_watch"]
    assert web.state.settled("all")["comment"] == "Nothing was started."


@pytest.mark.parametrize(
    ("before", "after", "settled"),
    [
        ({}, {"running": False}, True),
        ({"enabled": False}, {"running": False}, True),
        ({"running": False}, {"running": True}, True),
        ({"running": False}, {"running": False}, False),
        ({"running": False}, {"running": True, "failures": 1}, False),
        ({"since": 499.0, "failures": 2}, {}, True),
        ({"since": 499.0, "failures": 2}, {"failures": 3}, False),
        ({"since": 499.0}, {"running": False}, False),
    ],
)
def test_settled(host: Callable[..., Host], before: dict[str, Any], after: dict[str, Any], settled: bool) -> None:
    """What this run started or restarted is looked at once more; what fell, or was started again, is a failure."""
    web = host(**before)
    web.state.running("web", pidfile="/run/web.pid")
    web.status |= after
    result = web.state.settled("all", seconds=0)
    assert (result["result"], result["changes"]) == (settled, {})
    assert settled or result["comment"] == "Started, but did not stay up: web; see their logs."


def test_settled_waits(host: Callable[..., Host]) -> None:
    """It waits for as long as is left since the last start, and where nothing was started not at all."""
    waited = []
    web = host(names=("web", "queue"), running=False)
    web.state.time = SimpleNamespace(monotonic=lambda: 100.0, sleep=waited.append)
    web.state.settled("all")
    assert waited == []
    web.state.time.monotonic = lambda: 90.0
    web.state.running("queue", pidfile="/run/queue.pid")
    web.state.time.monotonic = lambda: 100.0
    web.state.running("web", pidfile="/run/web.pid")
    web.state.time.monotonic = lambda: 101.0
    web.state.settled("all", seconds=4)
    web.state.time.monotonic = lambda: 200.0
    web.state.settled("all", seconds=4)
    assert waited == [3.0, 0.0]


def test_settled_of_what_notifies(host: Callable[..., Host]) -> None:
    """What has said that it is ready is not waited for; beside one that does not say it, all are looked at later."""
    waited = []
    web = host(names=("web", "queue"), running=False, notifies=True)
    web.state.time = SimpleNamespace(monotonic=lambda: 100.0, sleep=waited.append)
    web.state.__salt__["daemon.act"] = lambda *arguments: web.act(*arguments) or web.status.update(running=True)
    web.state.running("web", pidfile="/run/web.pid")
    assert web.state.settled("all")["comment"] == "Started, and running: web."
    assert waited == []
    web.others["queue"] = {"running": False, "notifies": False}
    web.state.__context__.pop("daemon.status")
    web.state.running("queue", pidfile="/run/queue.pid")
    web.others["queue"]["running"] = True
    web.state.time.sleep = lambda seconds: waited.append(seconds) or web.status.update(running=False)
    result = web.state.settled("all", seconds=4)
    assert waited == [4.0]
    assert (result["result"], result["comment"]) == (False, "Started, but did not stay up: web; see their logs.")


@pytest.mark.parametrize(
    ("status", "verbs"),
    [
        ({"running": False}, ["start"]),
        ({"since": 499.0}, ["restart"]),
        ({"running": False, "enabled": False, "masked": True}, ["unmask", "start", "enable"]),
    ],
)
def test_together(host: Callable[..., Host], status: dict[str, Any], verbs: list[str]) -> None:
    """What is to be started together is started at the end, by one call, and once; the rest is done in its place."""
    web = host(names=("web", "queue"), notifies=True, changed=True, **status)
    at_once = [(verb, name) for name in web.names for verb in verbs if verb not in ("start", "restart")]
    for name in web.names:
        result = web.state.running(name, pidfile=f"/run/{name}.pid", check=f"{name} -t", together=True)
        assert (result["result"], list(result["changes"])) == (True, [f"{name} {verb}" for verb in verbs])
        assert ", with the others at the end" in result["comment"]
    expected = []
    for name in web.names:
        expected += [f"{name} -t", "daemon-reload", *(f"{verb} {name}" for verb, owner in at_once if owner == name)]
    assert web.did == expected
    web.state.__salt__["daemon.act"] = lambda *arguments: web.act(*arguments) or web.status.update(running=True, failures=5)
    result = web.state.settled("all")
    assert (result["result"], result["comment"]) == (True, "Started, and running: web, queue.")
    assert web.did[len(expected) :] == ["restart web queue"]
    assert web.state.settled("all")["result"]
    assert web.did[len(expected) :] == ["restart web queue"]


def test_together_is_for_starts(host: Callable[..., Host]) -> None:
    """A service that reloads, or is only to be enabled, owes nothing."""
    web = host(since=499.0)
    web.state.running("web", pidfile="/run/web.pid", reload=True, together=True)
    web.status |= {"since": 1000.0, "enabled": False}
    web.state.__context__.clear()
    web.state.running("web", pidfile="/run/web.pid", together=True)
    assert web.state.settled("all")["comment"] == "Nothing was started."
    assert web.did == ["reload web", "enable web"]


@pytest.mark.parametrize("notifies", [True, False])
def test_together_and_fallen(host: Callable[..., Host], notifies: bool) -> None:
    """One of those that were started together and does not run is named."""
    web = host(names=("web", "queue"), running=False, notifies=notifies)
    for name in web.names:
        web.state.running(name, pidfile=f"/run/{name}.pid", together=True)
    web.others["web"] = {"running": True}
    result = web.state.settled("all", seconds=0)
    assert (result["result"], result["comment"]) == (False, "Started, but did not stay up: queue; see their logs.")


def test_together_fails(host: Callable[..., Host]) -> None:
    """What cannot be started fails the state that starts it, with the reason."""
    web = host(running=False)
    web.state.running("web", pidfile="/run/web.pid", together=True)
    web.act_fails = True
    result = web.state.settled("all", seconds=0)
    assert (result["result"], result["changes"], result["comment"]) == (
        False,
        {},
        "web failed (1); Started, but did not stay up: web; see their logs.",
    )


def test_together_in_a_preview(host: Callable[..., Host]) -> None:
    """A preview says what is to be started, and starts nothing at the end either."""
    web = host(test=True, running=False)
    result = web.state.running("web", pidfile="/run/web.pid", together=True)
    assert (result["result"], result["changes"]) == (None, {"web start": "it was stopped"})
    assert (web.state.settled("all")["result"], web.did) == (True, [])


@pytest.mark.parametrize("reload", [False, True])
def test_shut_out_of_a_directory(host: Callable[..., Host], reload: bool) -> None:
    """A service that cannot write what it should is restarted, as a reload would leave it so; whatever else changed."""
    web = host(shut_out="/var/log/web", since=499.0)
    result = web.state.running("web", pidfile="/run/web.pid", reload=reload)
    assert result["changes"] == {"web restart": "it cannot write /var/log/web, which is not what it was"}
    assert web.did == ["restart web"]


def test_together_after_a_failing_check(host: Callable[..., Host]) -> None:
    """What its own check refuses is not started at the end."""
    web = host(since=499.0)
    web.check_fails = True
    assert web.state.running("web", pidfile="/run/web.pid", check="web -t", together=True)["result"] is False
    assert web.state.settled("all")["comment"] == "Nothing was started."
    assert web.did == ["web -t"]


def test_together_after_a_change(host: Callable[..., Host]) -> None:
    """A change without a newer file restarts with the others, too; twice changed is once restarted."""
    web = host(notifies=True)
    web.watch(pkg="web-package")
    for _ in range(2):
        result = web.state.mod_watch("web", sfun="running", pidfile="/run/web.pid", together=True)
        assert list(result["changes"]) == ["web restart"]
    assert web.did == []
    web.state.settled("all")
    assert web.did == ["restart web"]


def test_reload(host: Callable[..., Host]) -> None:
    """A service that can reload is not restarted."""
    web = host(since=499.0)
    web.state.running("web", pidfile="/run/web.pid", reload=True)
    assert web.did == ["reload web"]


def test_reload_would_not_do(host: Callable[..., Host]) -> None:
    """Where the file that starts a service changed it is restarted, whatever else changed later."""
    web = host(since=499.0)
    web.state._starts = lambda name, path: (name, path) == ("web", str(web.path))
    result = web.state.running("web", pidfile="/run/web.pid", reload=True)
    assert result["changes"] == {"web restart": f"{web.path} is newer"}
    assert web.did == ["restart web"]
    web = host(test=True)
    web.running["unit"] = {"name": "/etc/default/web", "changes": {"diff": "it"}, "result": None}
    assert list(web.state.mod_watch("web", sfun="running", pidfile="/run/web.pid", reload=True)["changes"]) == ["web restart"]


@pytest.mark.parametrize(
    ("path", "starts"),
    [
        ("/etc/systemd/system/web.service", True),
        ("/etc/systemd/system/web.service.d/more.conf", True),
        ("/etc/init.d/web", True),
        ("/etc/default/web", True),
        ("/etc/systemd/system/webs.service", False),
        ("/etc/web/web.conf", False),
    ],
)
def test_starts(host: Callable[..., Host], path: str, starts: bool) -> None:
    """Units and init scripts of the very service."""
    assert host().state._starts("web", path) is starts


def test_restart_with(host: Callable[..., Host]) -> None:
    """Units that must go together are restarted together, and only then."""
    web = host(since=499.0)
    web.state.running("web", pidfile="/run/web.pid", restart_with=["socket"])
    assert web.did == ["restart web socket"]
    web = host(running=False)
    web.state.running("web", pidfile="/run/web.pid", restart_with=["socket"])
    assert web.did == ["start web"]


@pytest.mark.parametrize("status", [{"since": 499.0}, {"running": False}, {"masked": True}])
def test_failing_check(host: Callable[..., Host], status: dict[str, Any]) -> None:
    """A configuration that the service itself refuses leaves it as it is, and a watch does not restart it after all."""
    web = host(**status)
    web.check_fails = True
    result = web.state.running("web", pidfile="/run/web.pid", check="web -t")
    assert (result["result"], result["changes"], web.did) == (False, {}, ["web -t"])
    assert "line 3" in result["comment"]
    assert result["skip_watch"]


def test_check_comes_first(host: Callable[..., Host]) -> None:
    """The check precedes whatever touches the service; enabling touches nothing."""
    web = host(since=499.0, changed=True)
    web.state.running("web", pidfile="/run/web.pid", check="web -t")
    assert web.did == ["web -t", "daemon-reload", "restart web"]
    web = host(enabled=False)
    web.state.running("web", pidfile="/run/web.pid", check="web -t")
    assert web.did == ["enable web"]


@pytest.mark.parametrize("test", [True, False])
@pytest.mark.parametrize(
    ("status", "did"),
    [
        ({}, ["stop web", "disable web"]),
        ({"enabled": False}, ["stop web"]),
        ({"running": False}, ["disable web"]),
        ({"running": False, "enabled": False}, []),
        ({"running": False, "exists": False}, []),
    ],
)
def test_dead(host: Callable[..., Host], status: dict[str, Any], did: list[str], test: bool) -> None:
    """A service is stopped and disabled as far as it is not; one that does not exist is both."""
    web = host(test=test, **status)
    result = web.state.dead("web", pidfile="/run/web.pid")
    assert result["result"] is (None if test and did else True)
    assert list(result["changes"]) == ["web " + call.split()[0] for call in did]
    assert web.did == ([] if test else did)


@pytest.mark.parametrize(
    ("status", "test", "did"),
    [
        ({}, False, ["disable web"]),
        ({}, True, ["disable web"]),
        ({"enabled": False}, False, []),
        ({"enabled": False}, True, []),
        ({"exists": False, "enabled": False}, False, []),
        ({"exists": False, "enabled": False}, True, ["disable web"]),
    ],
)
def test_disabled(host: Callable[..., Host], status: dict[str, Any], did: list[str], test: bool) -> None:
    """A service that starts on boot is disabled and goes on; a preview says so of one that is yet to be installed."""
    web = host(test=test, **status)
    result = web.state.disabled("web", pidfile="/run/web.pid")
    assert result["result"] is (None if test and did else True)
    assert list(result["changes"]) == ["web " + call.split()[0] for call in did]
    assert web.did == ([] if test else did)


@pytest.mark.parametrize("test", [True, False])
@pytest.mark.parametrize("exists", [True, False])
def test_known(host: Callable[..., Host], exists: bool, test: bool) -> None:
    """systemd is told once of a unit that it has not read; a preview says so."""
    web = host(test=test, exists=exists)
    web.state.__salt__["daemon.daemon_reload"] = lambda: web.did.append("reload") or web.status.update(exists=True)
    result = web.state.known("web")
    assert result["result"] is (None if test and not exists else True)
    assert list(result["changes"]) == ([] if exists else ["web daemon-reload"])
    assert web.did == ([] if exists or test else ["reload"])


def test_known_fails(host: Callable[..., Host]) -> None:
    """A unit that systemd does not find after all is a failure."""
    web = host(exists=False)
    result = web.state.known("web")
    assert (result["result"], result["changes"], result["comment"]) == (False, {}, "systemd finds no unit web")


def test_known_after_a_change(host: Callable[..., Host]) -> None:
    """What systemd was found to know does not count after the unit was written anew."""
    web = host()
    web.state.known("web")
    web.status["exists"] = False
    assert web.state.known("web")["changes"] == {}
    web.state.__salt__["daemon.daemon_reload"] = lambda: web.status.update(exists=True)
    assert web.state.mod_watch("web", sfun="known")["changes"] == {"web daemon-reload": "systemd did not know it"}


@pytest.mark.parametrize("test", [True, False])
@pytest.mark.parametrize("reload", [True, False])
def test_mod_watch(host: Callable[..., Host], reload: bool, test: bool) -> None:
    """A change without a newer file restarts or reloads, after the check; a preview says so."""
    verb = "reload" if reload else "restart"
    web = host(test=test)
    web.watch(pkg="web-package")
    result = web.state.mod_watch("web", sfun="running", pidfile="/run/web.pid", reload=reload, check="web -t")
    assert result["result"] is (None if test else True)
    assert list(result["changes"]) == [f"web {verb}"]
    assert web.did == ([] if test else ["web -t", f"{verb} web"])


@pytest.mark.parametrize("test", [True, False])
def test_mod_watch_of_a_file(host: Callable[..., Host], test: bool) -> None:
    """What was started after a file was written is not restarted for it; a preview, in which none is written, says that."""
    web = host(test=test)
    result = web.state.mod_watch("web", sfun="running", pidfile="/run/web.pid")
    assert (result["result"], bool(result["changes"])) == ((None, True) if test else (True, False))
    assert web.did == []


def test_mod_watch_of_a_dead_service(host: Callable[..., Host]) -> None:
    """A service that is to be stopped is not started by a change of its files."""
    web = host()
    result = web.state.mod_watch("web", sfun="dead")
    assert (result["result"], result["changes"], web.did) == (True, {}, [])


def test_salt_loads_them(minion: Callable[..., SimpleNamespace]) -> None:
    """Salt's own loader finds the module, and gives it its utilities."""
    made = minion()
    assert "daemon.status" in made.salt
    assert made.utils["freshness.newest_watched"]({}, []) == (0.0, "")
