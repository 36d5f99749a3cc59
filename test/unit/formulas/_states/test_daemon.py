"""A service that is to run: when it is started, restarted or reloaded."""

from collections.abc import Callable
from typing import Any

import pytest

from service_host import Host


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


@pytest.mark.parametrize("why", ["change", "again"])
def test_asked_too_early(host: Callable[..., Host], why: str) -> None:
    """An answer from before a change is not taken, nor left unread."""
    web = host()
    web.state.asked("all")
    web.status["exists" if why == "again" else "running"] = False
    if why == "change":
        web.running["file"] = {"changes": {"diff": "x"}}
        assert list(web.state.running("web", pidfile="/run/web.pid")["changes"]) == ["web start"]
    else:
        assert web.state.known("web", again=True)["comment"] == "systemd finds no unit web"
    assert web.did[0] == "answer dropped"
    assert web.did.count("answer dropped") == 1


def test_what_was_done_is_known(host: Callable[..., Host]) -> None:
    """After something was done the status that counts is that of afterwards."""
    web = host(running=False)
    web.state.__utils__["daemon.act"] = lambda *_arguments: web.status.update(running=True)
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
    """systemd reads a unit that was written after it was first asked."""
    web = host(exists=False, running=False)
    web.state.__utils__["daemon.check"] = lambda _command: web.status.update(changed=True)
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


@pytest.mark.parametrize("reload", [False, True])
def test_unwritable_of_a_directory(host: Callable[..., Host], reload: bool) -> None:
    """A service that cannot write what it should is restarted, as a reload would leave it so; whatever else changed."""
    web = host(unwritable="/var/log/web", since=499.0)
    result = web.state.running("web", pidfile="/run/web.pid", reload=reload)
    assert result["changes"] == {"web restart": "it cannot write /var/log/web, which was made again"}
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
    assert list(web.state.mod_watch("web", sfun="running", pidfile="/run/web.pid", reload=True)["changes"]) == [
        "web restart"
    ]


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
    """What was started after a file was written is not restarted for it; a preview, in which none is written, says
    that.
    """
    web = host(test=test)
    result = web.state.mod_watch("web", sfun="running", pidfile="/run/web.pid")
    assert (result["result"], bool(result["changes"])) == ((None, True) if test else (True, False))
    assert web.did == []


def test_mod_watch_of_a_dead_service(host: Callable[..., Host]) -> None:
    """A service that is to be stopped is not started by a change of its files."""
    web = host()
    result = web.state.mod_watch("web", sfun="dead")
    assert (result["result"], result["changes"], web.did) == (True, {}, [])
