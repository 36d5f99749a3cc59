"""State of a system service: running, started on boot, and having read its files as they are now.

Stands where service.running would, which with Salt 3008 asks systemd several times a service, does nothing on a
host with systemctl but without systemd, and forgets a restart that an interrupted run owed.
"""

import time
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

from salt.exceptions import CommandExecutionError

# Set by Salt's loader.
__context__: dict[str, Any]
__low__: dict[str, Any]
__lowstate__: list[dict[str, Any]]
__opts__: dict[str, Any]
__running__: dict[str, Any]
__salt__: dict[str, Callable[..., Any]]
__utils__: dict[str, Callable[..., Any]]


def running(
    name: str,
    reload: bool = False,
    check: str | None = None,
    pidfile: str | None = None,
    restart_with: list[str] | None = None,
    together: bool = False,
) -> dict[str, Any]:
    """Service `name` runs, is enabled, and was started (or reloaded, with `reload`) after the files it watches changed.

    Where the file that starts it changed, a reload would not do: it is restarted.
    `check` is a command that must succeed before the service is touched (`nginx -t`). `pidfile` says where a host
    without systemd finds the process. `restart_with` names units to be restarted in the same transaction.
    `together` leaves the start to daemon.settled, which starts all such services at once: for those nothing else needs.
    """
    result: dict[str, Any] = {"name": name, "result": True, "changes": {}, "comment": f"{name} is running."}
    now = _status(name)
    newest, path = __utils__["freshness.newest_watched"](__low__, __lowstate__)
    verbs = {}
    if now["masked"]:
        verbs["unmask"] = "it was masked"
    if not now["running"]:
        verbs["start"] = "it was stopped"
    elif now.get("shut_out"):
        verbs["restart"] = f"it cannot write {now['shut_out']}, which is not what it was"
    elif newest > now["since"]:
        started, starter = __utils__["freshness.newest_watched"](__low__, __lowstate__, partial(_starts, name))
        if started > now["since"]:
            reload, path = False, starter
        verbs["reload" if reload else "restart"] = f"{path} is newer"
    if not now["enabled"]:
        verbs["enable"] = "it was disabled"
    return _carry_out(result, verbs, pidfile, check, restart_with, together)


def dead(name: str, pidfile: str | None = None) -> dict[str, Any]:
    """Service `name` is stopped and not started on boot."""
    result: dict[str, Any] = {"name": name, "result": True, "changes": {}, "comment": f"{name} is stopped."}
    now = _status(name)
    verbs = {}
    if now["running"]:
        verbs["stop"] = "it was running"
    if now["enabled"] and now["exists"]:
        verbs["disable"] = "it was enabled"
    return _carry_out(result, verbs, pidfile)


def disabled(name: str, pidfile: str | None = None) -> dict[str, Any]:
    """Service `name` is not started on boot, running or not; a package that is yet to come brings it enabled."""
    result: dict[str, Any] = {"name": name, "result": True, "changes": {}, "comment": f"{name} is disabled."}
    now = _status(name)
    if not now["exists"] and __opts__["test"]:
        return _carry_out(result, {"disable": "its package enables it"}, pidfile)
    return _carry_out(result, {"disable": "it was enabled"} if now["exists"] and now["enabled"] else {}, pidfile)


def known(name: str, anew: bool = False) -> dict[str, Any]:
    """systemd has read the unit of service `name`: a second name of another service, say, that nothing starts it by."""
    result: dict[str, Any] = {"name": name, "result": True, "changes": {}, "comment": f"systemd knows {name}."}
    if _status(name, anew)["exists"]:
        return result
    result["changes"] = {f"{name} daemon-reload": "systemd did not know it"}
    if __opts__["test"]:
        return result | {"result": None, "comment": f"systemd would be told of {name}."}
    try:
        __salt__["daemon.daemon_reload"]()
        if not _status(name, anew=True)["exists"]:
            raise CommandExecutionError(f"systemd finds no unit {name}")
    except CommandExecutionError as error:
        return result | {"result": False, "changes": {}, "comment": str(error), "skip_watch": True}
    return result | {"comment": f"systemd was told of {name}."}


def asked(name: str) -> dict[str, Any]:
    """systemd is asked what this run's services do; what it says counts as long as no state has changed anything."""
    if "daemon.status" not in __context__:
        __context__["daemon.asked"] = __salt__["daemon.ask"](list(_services()))
    return {"name": name, "result": True, "changes": {}, "comment": "systemd was asked."}


def settled(name: str, seconds: int = 4) -> dict[str, Any]:
    """Services that were to be started together are started, and all that this run started stay up.

    One that tells systemd when it is ready (Type=notify) has by then. Any other takes a moment to find that it cannot
    work: it must still run after `seconds`, and not have been started again. Nothing is waited for where nothing was started.
    """
    result: dict[str, Any] = {"name": name, "result": True, "changes": {}, "comment": "Nothing was started."}
    if __opts__["test"]:
        return result
    problems = []
    if owed := __context__.pop("daemon.owed", {}):
        try:
            __salt__["daemon.act"]("restart", owed)
        except CommandExecutionError as error:
            problems.append(str(error))
    try:
        _note_started(*owed)
        started = __context__.get("daemon.started", {})
        if not started:
            return result
        states = _statuses(started, anew=not owed)
        silent = [when for service, (when, _) in started.items() if not states[service]["notifies"]]
        if silent:
            time.sleep(max(0.0, max(silent) + seconds - time.monotonic()))
            states = _statuses(started)
    except CommandExecutionError as error:
        return result | {"result": False, "comment": "; ".join([*problems, str(error)])}
    fallen = [name for name, now in states.items() if not now["running"] or now["failures"] > started[name][1]]
    if fallen:
        problems.append(f"Started, but did not stay up: {', '.join(fallen)}; see their logs.")
    if problems:
        return result | {"result": False, "comment": "; ".join(problems)}
    return result | {"comment": f"Started, and running: {', '.join(started)}."}


def mod_watch(name: str, sfun: str = "running", **kwargs: Any) -> dict[str, Any]:
    """What a preview says of a file that is yet to change; and what a changed state without a file of its own causes."""
    if sfun == "known":
        return known(name, anew=True)
    result: dict[str, Any] = {"name": name, "result": True, "changes": {}, "comment": f"{name} is stopped."}
    if sfun != "running":
        return result
    if not __opts__["test"] and __utils__["freshness.watches_files_only"](__low__, __lowstate__):
        return result | {"comment": f"{name} has read its files since."}  # or else `running` would have seen it
    changed = {state["name"] for state in __running__.values() if state["changes"] and "name" in state}
    reload = kwargs.get("reload") and not any(_starts(name, path) for path in changed)
    verb = "reload" if reload else "restart"
    options: dict[str, Any] = {key: kwargs.get(key) for key in ("pidfile", "check", "restart_with", "together")}
    return _carry_out(result, {verb: "what it reads changed"}, **options)


def _starts(name: str, path: str) -> bool:
    """Whether `path` is a file that service `name` is started by: a unit, what adds to it, an init script, its defaults."""
    unit = f"/etc/systemd/system/{name}.service"
    return path in (unit, f"/etc/init.d/{name}", f"/etc/default/{name}") or path.startswith(f"{unit}.d/")


def _status(name: str, anew: bool = False) -> dict[str, Any]:
    """Status of `name`; asked for all services of this run at once, and `anew` where something was done since."""
    if anew or not __context__.get("daemon.status", {}).get(name, {}).get("exists"):
        answer = __context__.pop("daemon.asked", None)
        if answer and (anew or any(result["changes"] for result in __running__.values())):
            answer.communicate()
            answer = None
        __context__["daemon.status"] = __salt__["daemon.status"](_services(), answer)
    return __context__["daemon.status"][name]


def _statuses(names: Iterable[str], anew: bool = True) -> dict[str, dict[str, Any]]:
    """Status of each, with one question for all."""
    return {name: _status(name, anew and not number) for number, name in enumerate(names)}


def _services() -> dict[str, str | None]:
    """The services of this run, and their pid files."""
    found: dict[str, str | None] = {}
    for chunk in __lowstate__:
        if chunk["state"] == "daemon" and chunk["fun"] not in ("asked", "settled"):
            found[chunk["name"]] = chunk.get("pidfile") or found.get(chunk["name"])
    return found


def _carry_out(
    result: dict[str, Any],
    verbs: dict[str, str],
    pidfile: str | None,
    check: str | None = None,
    restart_with: list[str] | None = None,
    together: bool = False,
) -> dict[str, Any]:
    name = result["name"]
    if not verbs:
        return result
    result["changes"] = {f"{name} {verb}": why for verb, why in verbs.items()}
    what = ", ".join(f"{verb} ({why})" for verb, why in verbs.items())
    if __opts__["test"]:
        return result | {"result": None, "comment": f"{name} would need: {what}."}
    try:
        if check and verbs.keys() - {"enable"}:
            __salt__["daemon.check"](check)
        if _status(name, anew=True)["changed"]:  # its unit may have been written in this run
            __salt__["daemon.daemon_reload"]()
        for verb in verbs:
            if together and verb in ("start", "restart"):
                __context__.setdefault("daemon.owed", {})[name] = pidfile
                what += ", with the others at the end"
                continue
            units = [name, *(restart_with or [])] if verb == "restart" else [name]
            __salt__["daemon.act"](verb, dict.fromkeys(units, pidfile))
            if verb in ("start", "restart"):
                _note_started(name)
            else:
                __context__.pop("daemon.status", None)
    except CommandExecutionError as error:
        __context__.pop("daemon.status", None)
        return result | {"result": False, "changes": {}, "comment": str(error), "skip_watch": True}
    return result | {"comment": f"{name}: {what}."}


def _note_started(*names: str) -> None:
    """Remember for daemon.settled when services were started, and how often systemd had done so by itself."""
    started = __context__.setdefault("daemon.started", {})
    for name, now in _statuses(names).items():
        started[name] = (time.monotonic(), now["failures"])
