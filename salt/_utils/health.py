"""How each part of this host is, by what it does: what `phagescan.status` reports. Nothing is started or changed.

What needs Django, Celery or a login is asked in the application's virtualenv, as the users that have it: see
scaggr/health/checks.py and worker/status.py there.
"""

import json
import os
import re
import socket
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any
from urllib.parse import urlsplit

import probes
from probes import Part, part

COMMAND_TIMEOUT = 30.0
# What runs in development mode, too.
DEVELOPMENT = {"application", "worker", "broker", "broker-worker", "database", "static", "disk", "certificate"}
OF_MASTER = ("broker", "database", "camera", "beat", "clocks", "queues", "engines", "samples")


def parts(
    settings: dict[str, Any],
    roles: list[str],
    python: Callable[..., Any],
    services: Callable[..., dict[str, dict[str, Any]]],
    spared: Callable[..., dict[str, Part]],
    last_lines: Callable[..., list[str]],
) -> dict[str, Part]:
    """Look at everything at once. `python` runs the Python of a `site`, `services` says what systemd knows of some.

    `spared` says which parts are late because their services were started a moment ago (startup.spared), `last_lines`
    what a service has written (programs.last_lines).
    """
    ours = nodes(settings["celery"], roles)
    found = {"disk": probes.disk(folders(settings["phagescan"], roles))}
    with ThreadPoolExecutor() as pool:
        asked = ask(pool, settings, roles, ours, python)
        certificates = shown(pool, settings["nginx"]) if "master" in roles else {}
        if "master" in roles:
            host = urlsplit(settings["phagescan"]["worker"]["master_url"]).hostname or ""
            found |= probes.website(settings["nginx"]["sites"]["phagescan"], host)
        for future in asked:
            found |= {name: new for name, new in future.result().items() if known_better(new, found.get(name))}
    if certificates:
        served = {name: (port, peer.result()) for name, (port, peer) in certificates.items()}
        found["certificate"] = probes.validity(settings["nginx"]["tls"]["certificate"], served, found)
    defer(found, "broker-worker", "broker")
    defer(found, "fetch", "web")
    units = {"gunicorn": "gunicorn", **{node: worker["service"] for node, worker in ours.items()}}
    found |= spared(found, units, services)
    named = {"web" if name == "gunicorn" else name: unit for name, unit in units.items()}
    found |= unwritable_paths(found, named, services)
    if settings["phagescan"]["mode"] != "production":
        idle = {*found, *ours, *(OF_MASTER if "master" in roles else ())} - DEVELOPMENT
        found |= dict.fromkeys(idle, part("not looked at: phagescan:mode is development"))
    order = ("application", "worker", "broker", "broker-worker", "database", "web", "static", *ours)
    order += ("camera", "beat", "clocks", "queues", "engines", "samples", "fetch", "disk", "certificate")
    places = logs(settings, ours)
    return {name: finished(name, found[name], places, last_lines) for name in order if name in found}


def ask(
    pool: ThreadPoolExecutor,
    settings: dict[str, Any],
    roles: list[str],
    ours: dict[str, dict[str, Any]],
    python: Callable[..., Any],
) -> list[Future[dict[str, Part]]]:
    """Begin to ask the application's Python, of worker and master, what it can know."""
    asked, phagescan = [], settings["phagescan"]
    if scanner := scanner_of(ours):
        expected = ("broker-worker", scanner, "engines", "fetch")
        arguments = ("-m", "worker.status", scanner, f"/run/{ours[scanner]['service']}")
        asked.append(pool.submit(answer, "worker", expected, python, worker_site(phagescan, ours[scanner]), *arguments))
    if "master" in roles:
        named = ours if phagescan["mode"] == "production" else ()
        command = ("manage.py", "status", "--frequency", frequency(settings["supervisord"]), "--", *named)
        wanted = (*OF_MASTER, *ours)
        asked.append(pool.submit(answer, "application", wanted, python, site(phagescan), *command))
    return asked


def shown(pool: ThreadPoolExecutor, nginx: dict[str, Any]) -> dict[str, tuple[int, Future[Any]]]:
    """Begin to look at the certificates that are shown, with their ports, by the part that is asked."""
    places = probes.secured(nginx["sites"]["phagescan"], nginx["tls_port"]) if nginx["tls"] else {}
    return {name: (place[1], pool.submit(probes.presented, *place)) for name, place in places.items()}


def known_better(new: Part, old: Part | None) -> bool:
    """Whether a look is worth more than one before. What both have looked at is as the master says, if it knows; that a
    worker is degraded it knows itself.
    """
    return old is None or (new["ok"] is not None and not old.get("degraded"))


def defer(found: dict[str, Part], name: str, other: str) -> None:
    """A part that needs another, which is broken, is not known."""
    if name in found and other in found and found[name]["ok"] is False and found[other]["ok"] is False:
        found[name] = part(f"not known: {other} is broken")


def unwritable_paths(found: dict[str, Part], units: dict[str, str], services: Callable[..., Any]) -> dict[str, Part]:
    """Of the parts that seem well, those whose service cannot write what its unit lets it, or writes below what is
    mounted there: see daemon.status.
    """
    units = {name: unit for name, unit in units.items() if name in found and found[name]["ok"]}
    if not units or not os.path.isdir("/run/systemd/system"):
        return {}
    reasons = {
        "elsewhere": "{} goes on with what {} was when it was started, below or without what is mounted there now: run"
        " salt-call --local state.highstate",
        "unwritable": "{} cannot write {}, which was made again: run salt-call --local state.highstate",
    }
    found_of = services(dict.fromkeys(units.values()))
    lost = {
        name: why.format(unit, found_of[unit][key])
        for name, unit in units.items()
        for key, why in reasons.items()  # of two the last counts
        if found_of[unit].get(key)
    }
    return {name: part(said, ok=False, of="gunicorn" if name == "web" else "") for name, said in lost.items()}


def finished(name: str, found: Part, places: dict[str, tuple[str, str]], last_lines: Callable[..., list[str]]) -> Part:
    """A part as it is reported: with the end of its log when it is broken."""
    place = places.get(found.get("of") or name)
    log = last_lines(*place, journal=2, file=3) if place and found["ok"] is False else []
    degraded = {"degraded": True} if found.get("degraded") else {}
    return {"ok": found["ok"], **degraded, "said": found["said"], "log": log}


def nodes(celery: dict[str, Any], roles: list[str]) -> dict[str, dict[str, Any]]:
    """Celery's nodes on this host, with what pillar says of their workers, and the service."""
    host = socket.gethostname()
    short, _, domain = host.partition(".")
    found = {}
    for service, worker in celery["workers"].items():
        if worker.get("role", "") in ("", *roles):
            node = worker["hostname"].replace("%h", host).replace("%n", short).replace("%d", domain)
            found[node] = {**celery, **worker, "service": service}
    return found


def scanner_of(ours: dict[str, dict[str, Any]]) -> str:
    """The node that scans, among those of this host; nothing where there is none."""
    return next((node for node, worker in ours.items() if worker.get("role") == "worker"), "")


def site(phagescan: dict[str, Any]) -> dict[str, Any]:
    """How manage.py is run."""
    return {
        "root": phagescan["root"],
        "virtualenv": phagescan["virtualenv"],
        "user": phagescan["user"],
        "environment": {"DJANGO_SETTINGS_MODULE": "scaggr.settings"},
    }


def worker_site(phagescan: dict[str, Any], worker: dict[str, Any]) -> dict[str, Any]:
    """How the scan worker's Python is run."""
    return site(phagescan) | {"user": worker["user"], "environment": {"CELERY_CONFIG_MODULE": worker["config"]}}


def camera(supervisord: dict[str, Any] | None) -> dict[str, Any]:
    """The camera's program, which a mere worker's pillar need not have."""
    return (supervisord or {}).get("programs", {}).get("celerycam", {})


def frequency(supervisord: dict[str, Any] | None) -> str:
    """Seconds between two snapshots of the camera, as its command says."""
    command = camera(supervisord).get("command", "")
    given = re.search(r"(?:--freq(?:uency)?[= ]|-F *)([0-9.]+)", command)
    return given[1] if given else "1"  # Celery's own default


def answer(
    name: str, expected: Iterable[str], python: Callable[..., Any], site: dict[str, Any], *arguments: str
) -> dict[str, Part]:
    """What the application's Python reports of the expected parts; why it does not is a part by itself."""
    try:
        done = python(site, *arguments, timeout=COMMAND_TIMEOUT)
        return json.loads(done.stdout)
    except TimeoutError:
        why = f"no answer within {COMMAND_TIMEOUT:g} s"
    except ValueError:
        why = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
    except (OSError, LookupError) as error:
        why = f"is not installed here ({error}): salt-call --local state.highstate"
    return dict.fromkeys(expected, part(f"not known: {name} is broken")) | {name: part(why, ok=False)}


def folders(phagescan: dict[str, Any], roles: list[str]) -> list[str]:
    """Where this host writes."""
    found = ["/"]
    if "master" in roles:
        found += [phagescan["scan"]["sample_root"], "/var/lib/postgresql", "/var/lib/rabbitmq", phagescan["log_dir"]]
    if "worker" in roles:
        found += [phagescan["worker"]["log_dir"], "/tmp"]  # noqa: S108  # samples, while they are scanned
    return found


def logs(pillar: dict[str, Any], ours: dict[str, dict[str, Any]]) -> dict[str, tuple[str, str]]:
    """Unit and log file of each part that has one."""
    broker = ("rabbitmq-server", "/var/log/rabbitmq/*@*.log")
    found = {node: (worker["service"], f"{worker['log_dir']}/{worker['service']}.log") for node, worker in ours.items()}
    return found | {
        "broker": broker,
        "broker-worker": broker,
        "database": ("postgresql*", "/var/log/postgresql/postgresql-*.log"),
        "nginx": ("nginx", "/var/log/nginx/error.log"),
        "gunicorn": ("gunicorn", f"{pillar['phagescan'].get('log_dir')}/gunicorn-error.log"),
        "camera": ("supervisor", camera(pillar["supervisord"]).get("logfile", "")),
    }
