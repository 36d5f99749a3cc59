"""State of a system service: running, started on boot, and having read its files as they are now.

In place of service.running, which with Salt 3008 asks systemd several times a service, does nothing on a host with
systemctl but without systemd, and forgets a restart that an interrupted run owed.
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
    now, changes = _status(name), {}
    for kind, counts in (("reads", bool), ("starts", partial(_starts, name))):
        changed, path = __utils__["freshness.newest_watched"](__low__, __lowstate__, counts)
        if changed <= now["since"]:
            break
        changes[kind] = path
    actions = __utils__["freshness.decide"](now, changes, reload)
    return _carry_out(name, f"{name} is running.", actions, pidfile, check, restart_with, together)


def dead(name: str, pidfile: str | None = None) -> dict[str, Any]:
    """Service `name` is stopped and not started on boot."""
    now = _status(name)
    actions = {"stop": "it was running"} if now["running"] else {}
    if now["enabled"] and now["exists"]:
        actions["disable"] = "it was enabled"
    return _carry_out(name, f"{name} is stopped.", actions, pidfile)


def disabled(name: str, pidfile: str | None = None) -> dict[str, Any]:
    """Service `name` is not started on boot, running or not; in a preview a package may be yet to come, and enable
    it.
    """
    now = _status(name)
    actions = {}
    if not now["exists"] and __opts__["test"]:
        actions["disable"] = "its package enables it"
    elif now["exists"] and now["enabled"]:
        actions["disable"] = "it was enabled"
    return _carry_out(name, f"{name} is disabled.", actions, pidfile)


def known(name: str, again: bool = False) -> dict[str, Any]:
    """systemd has read the unit of service `name`: a second name of another service, say, that nothing starts it by."""
    if _status(name, again)["exists"]:
        return __utils__["results.clean"](name, f"systemd knows {name}.")
    changes = {f"{name} daemon-reload": "systemd did not know it"}
    if __opts__["test"]:
        return __utils__["results.pending"](name, changes, f"systemd would read {name}.")
    try:
        __utils__["daemon.daemon_reload"]()
        if not _status(name, again=True)["exists"]:
            raise CommandExecutionError(f"systemd finds no unit {name}")
    except CommandExecutionError as error:
        return __utils__["results.failed"](name, error)
    return __utils__["results.changed"](name, changes, f"systemd has read {name}.")


def asked(name: str) -> dict[str, Any]:
    """systemd is asked what this run's services do; its answer counts as long as no state has changed anything."""
    run = _run()
    if not run["status"]:
        run["asked"] = __utils__["daemon.ask"](list(_services()))
    return __utils__["results.clean"](name, "systemd was asked.")


def settled(name: str, seconds: int = 4) -> dict[str, Any]:
    """Services that were to be started together are started, and all that this run started stay up.

    One that notifies systemd when it is ready (Type=notify) is so by then. Any other takes a moment to find that it
    cannot work: it must still run after `seconds`, and not have been started again. Where nothing was started nothing
    is awaited.
    """
    run, problems = _run(), []
    if __opts__["test"]:
        return __utils__["results.clean"](name, "Nothing was started.")
    owed, run["owed"] = run["owed"], {}
    try:
        if owed:
            __utils__["daemon.act"]("restart", owed)
    except CommandExecutionError as error:
        problems.append(str(error))
    try:
        _note_started(*owed)
        started = run["started"]
        if not started:
            return __utils__["results.clean"](name, "Nothing was started.")
        states = _statuses(started, again=not owed)
        silent = [when for service, (when, _) in started.items() if not states[service]["notifies"]]
        if silent:
            time.sleep(max(0.0, max(silent) + seconds - time.monotonic()))
            states = _statuses(started)
    except CommandExecutionError as error:
        return __utils__["results.failed"](name, "; ".join([*problems, str(error)]))
    fallen = [name for name, now in states.items() if not now["running"] or now["failures"] > started[name][1]]
    if fallen:
        problems += [f"{service} was started, but did not stay up: {_last_words(service)}" for service in fallen]
    if problems:
        return __utils__["results.failed"](name, "; ".join(problems))
    return __utils__["results.clean"](name, f"Started, and running: {', '.join(started)}.")


def mod_watch(name: str, sfun: str = "running", **kwargs: Any) -> dict[str, Any]:
    """In a preview, what a file that is yet to change causes; in a run, what a change without a file of its own
    does.
    """
    if sfun == "known":
        return known(name, again=True)
    if sfun != "running":
        return __utils__["results.clean"](name, f"{name} is stopped.")
    if not __opts__["test"] and __utils__["freshness.watches_files_only"](__low__, __lowstate__):
        return __utils__["results.clean"](name, f"{name} has read its files.")  # or else `running` would have seen it
    changed = [str(state["name"]) for state in __running__.values() if state["changes"] and "name" in state]
    changes = {"starts": next((path for path in changed if _starts(name, path)), ""), "reads": "what it reads"}
    actions = __utils__["freshness.decide"]({"running": True, "enabled": True}, changes, kwargs.get("reload", False))
    options: dict[str, Any] = {key: kwargs.get(key) for key in ("pidfile", "check", "restart_with", "together")}
    return _carry_out(name, f"{name} is running.", actions, **options)


def _starts(name: str, path: str) -> bool:
    """Whether `path` is a file that service `name` is started by: a unit, what adds to it, an init script, its
    defaults.
    """
    unit = f"/etc/systemd/system/{name}.service"
    return path in (unit, f"/etc/init.d/{name}", f"/etc/default/{name}") or path.startswith(f"{unit}.d/")


def _run() -> dict[str, Any]:
    """What this run knows of its services.

    `asked`: the question that systemd answers meanwhile; `status`: of each service, until one is changed; `owed`: those
    that daemon.settled starts, with their pid files; `started`: when each was, and how often systemd had restarted it.
    """
    return __context__.setdefault("daemon", {"asked": None, "status": {}, "owed": {}, "started": {}})


def _status(name: str, again: bool = False) -> dict[str, Any]:
    """Status of `name`; asked for all services of this run at once, and `again` where something was done since."""
    run = _run()
    if again or not run["status"].get(name, {}).get("exists"):
        answer, run["asked"] = run["asked"], None
        if answer and (again or any(result["changes"] for result in __running__.values())):
            answer.communicate()
            answer = None
        run["status"] = __utils__["daemon.status"](_services(), answer)
    return run["status"][name]


def _statuses(names: Iterable[str], again: bool = True) -> dict[str, dict[str, Any]]:
    """Status of each, with one question for all."""
    return {name: _status(name, again and not number) for number, name in enumerate(names)}


def _services() -> dict[str, str | None]:
    """The services of this run, and their pid files."""
    found: dict[str, str | None] = {}
    for chunk in __lowstate__:
        if chunk["state"] == "daemon" and chunk["fun"] not in ("asked", "settled"):
            found[chunk["name"]] = chunk.get("pidfile") or found.get(chunk["name"])
    return found


def _carry_out(
    name: str,
    well: str,
    actions: dict[str, str],
    pidfile: str | None,
    check: str | None = None,
    restart_with: list[str] | None = None,
    together: bool = False,
) -> dict[str, Any]:
    """Do what freshness.decide, or the like, found; `well` is the comment where that is nothing."""
    if not actions:
        return __utils__["results.clean"](name, well)
    run = _run()
    changes = {f"{name} {action}": why for action, why in actions.items()}
    what = ", ".join(f"{action} ({why})" for action, why in actions.items())
    if __opts__["test"]:
        return __utils__["results.pending"](name, changes, f"{name} would need: {what}.")
    try:
        if check and actions.keys() - {"enable"}:
            __utils__["daemon.check"](check)
        if _status(name, again=True)["changed"]:  # its unit may have been written in this run
            __utils__["daemon.daemon_reload"]()
        for action in actions:
            if together and action in ("start", "restart"):
                run["owed"][name] = pidfile
                what += ", with the others at the end"
                continue
            units = [name, *(restart_with or [])] if action == "restart" else [name]
            __utils__["daemon.act"](action, dict.fromkeys(units, pidfile))
            if action in ("start", "restart"):
                _note_started(name)
            else:
                run["status"] = {}
    except CommandExecutionError as error:
        run["status"] = {}
        return __utils__["results.failed"](name, error)
    return __utils__["results.changed"](name, changes, f"{name}: {what}.")


def _last_words(service: str) -> str:
    """What a service has written since this run started it."""
    began = time.time() - (time.monotonic() - _run()["started"][service][0]) - 1
    return " ".join(__utils__["programs.service_log"](service, began)) or "it left no word in journal or log"


def _note_started(*names: str) -> None:
    """Remember for daemon.settled when services were started, and how often systemd had restarted them by itself."""
    for name, now in _statuses(names).items():
        _run()["started"][name] = (time.monotonic(), now["failures"])
