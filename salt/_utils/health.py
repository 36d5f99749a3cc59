"""How each part of this host is, by what it does: what `phagescan.status` tells. Nothing is started or changed.

What needs Django, Celery or a login is asked in the application's virtualenv, as the users that have it: see
scaggr/health.py and worker/status.py there.
"""

import contextlib
import datetime
import glob
import http.client
import json
import os
import pathlib
import re
import socket
import ssl
import subprocess
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import urlsplit

from cryptography import x509

# `ok`: true, false, or None where it cannot be known; `said`: a line; `of`: whose log says more.
Part = dict[str, Any]

HTTP_TIMEOUT = 5.0
COMMAND_TIMEOUT = 30.0
# Bytes that a file system should have left; a small one a tenth.
LEAST = 2**30
# The highstate makes a certificate of its own anew earlier than that.
LEAST_DAYS = 14
# Formula rabbitmq's, where there is AMQPS: not on a broker that was here first.
AMQPS = "/etc/rabbitmq/conf.d/60-tls.conf"
# What runs in development mode, too.
DEVELOPMENT = {"application", "worker", "broker", "broker-worker", "database", "static", "disk", "certificate"}
# The first page after a start waits until gunicorn's workers have loaded the application.
FIRST_PAGE = {"startup": {"seconds": 20, "nodes": ["gunicorn"]}}
JOURNAL_LINES, FILE_LINES, LINE_LENGTH = 2, 3, 300


def parts(
    pillar: dict[str, Any],
    roles: list[str],
    python: Callable[..., Any],
    services: Callable[..., dict[str, dict[str, Any]]],
    spared: Callable[..., dict[str, Part]],
    certificate: str | None,
) -> dict[str, Part]:
    """Look at everything at once. `python` runs the Python of a `site`, `services` says what systemd knows of some.

    `spared` says which parts are late because their services were started a moment ago (startup.spared).
    """
    phagescan, ours = pillar["phagescan"], nodes(pillar["celery"], roles)
    production = phagescan["mode"] == "production"
    scanner = next((node for node, worker in ours.items() if worker.get("role") == "worker"), "")
    of_worker = ("broker-worker", scanner, "engines", "fetch")
    of_master = ("broker", "database", *ours, "camera", "beat", "queues", "engines")
    found, shown = {"disk": disk(folders(phagescan, roles))}, {}
    with ThreadPoolExecutor() as pool:
        asked = []
        if scanner:
            arguments = ("-m", "worker.status", scanner, f"/run/{ours[scanner]['service']}")
            asked.append(
                pool.submit(answer, "worker", of_worker, python, worker_site(phagescan, ours[scanner]), *arguments)
            )
        if "master" in roles:
            every = ["--frequency", frequency(pillar["supervisord"]), "--", *(ours if production else ())]
            asked.append(
                pool.submit(answer, "application", of_master, python, site(phagescan), "manage.py", "status", *every)
            )
            page = pillar["nginx"]["sites"]["phagescan"]
            if certificate:
                shown = {other: (place[1], pool.submit(presented, *place)) for other, place in secured(page).items()}
            found |= website(page, urlsplit(phagescan["worker"]["master_url"]).hostname)
        for future in asked:
            # What both have looked at is as the master says, if it knows.
            found |= {name: new for name, new in future.result().items() if new["ok"] is not None or name not in found}
    if certificate:
        served = {other: (port, peer.result()) for other, (port, peer) in shown.items()}
        found["certificate"] = validity(certificate, served, found)
    excuse(found, "broker-worker", "broker")
    excuse(found, "fetch", "web")
    units = {"gunicorn": "gunicorn", **{node: worker["service"] for node, worker in ours.items()}}
    found |= spared(found, units, services)
    found |= shut_out(found, {"web" if name == "gunicorn" else name: unit for name, unit in units.items()}, services)
    if not production:
        idle = {*found, *ours, *(of_master if "master" in roles else ())} - DEVELOPMENT
        found |= dict.fromkeys(idle, part("not looked at: phagescan:mode is development"))
    order = ("application", "worker", "broker", "broker-worker", "database", "web", "static", *ours)
    order += ("camera", "beat", "queues", "engines", "fetch", "disk", "certificate")
    places = logs(pillar, ours)
    return {name: finished(name, found[name], places) for name in order if name in found}


def part(said: str, ok: bool | None = None, of: str = "") -> Part:
    """What is told of a part."""
    return {"ok": ok, "said": said, "of": of}


def excuse(found: dict[str, Part], name: str, other: str) -> None:
    """Take the blame from a part that needs another, which is broken."""
    if name in found and other in found and found[name]["ok"] is False and found[other]["ok"] is False:
        found[name] = part(f"not known: {other} is broken")


def shut_out(found: dict[str, Part], units: dict[str, str], services: Callable[..., Any]) -> dict[str, Part]:
    """Of the parts that seem well, those whose service cannot write what its unit lets it: see daemon.status."""
    units = {name: unit for name, unit in units.items() if name in found and found[name]["ok"]}
    if not units or not os.path.isdir("/run/systemd/system"):
        return {}
    paths = {unit: known.get("shut_out") for unit, known in services(dict.fromkeys(units.values())).items()}
    why = "{} cannot write {}, which was made again: run salt-call --local state.highstate"
    lost = {name: why.format(unit, paths[unit]) for name, unit in units.items() if paths[unit]}
    return {name: part(said, ok=False, of="gunicorn" if name == "web" else "") for name, said in lost.items()}


def finished(name: str, found: Part, places: dict[str, tuple[str, str]]) -> Part:
    """A part as it is told: with the end of its log when it is broken."""
    place = places.get(found.get("of") or name)
    log = last_lines(*place) if place and found["ok"] is False else []
    return {"ok": found["ok"], "said": found["said"], "log": log}


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
    """What the application's Python tells of the expected parts; why it does not is a part by itself."""
    try:
        done = python(site, *arguments, timeout=COMMAND_TIMEOUT)
        return json.loads(done.stdout)
    except subprocess.TimeoutExpired:
        why = f"no answer within {COMMAND_TIMEOUT:g} s"
    except ValueError:
        why = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
    except (OSError, LookupError) as error:
        why = f"is not installed here ({error}): salt-call --local state.highstate"
    return dict.fromkeys(expected, part(f"not known: {name} is broken")) | {name: part(why, ok=False)}


def website(site: dict[str, Any], host: str) -> dict[str, Part]:
    """A static file by nginx, and a page that goes through it to the application."""
    address, port = near(site["listen"])
    host = next((name for name in site["server_name"].split() if re.fullmatch(r"[A-Za-z0-9.-]+", name)), host)
    place = f"{address}:{port}"

    try:
        path = next(iter(site["static"]), "/static/") + "scaggr/icon.svg"
        status, _ = get(address, port, host, path)
        static = (
            part(f"nginx serves {path}", ok=True)
            if status == 200
            else part(f"{path}: status {status}", ok=False, of="nginx")
        )
    except (OSError, http.client.HTTPException) as error:
        why = f"nginx does not answer at {place} ({str(error) or type(error).__name__})"
        return {"web": part(why, ok=False, of="nginx"), "static": part("not known: nginx does not answer")}

    more: Part = {}
    try:
        status, body = get(address, port, host, "/login/")
        if status in (502, 503, 504):
            why = f"gunicorn does not answer, and nginx says {status}"
        elif status != 200:
            why = f"/login/: status {status}"
        else:
            why = "" if b"csrfmiddlewaretoken" in body else "/login/ is not the page of Phagescan"
    except (OSError, http.client.HTTPException) as error:
        why, more = f"gunicorn gives nginx no page ({str(error) or type(error).__name__})", FIRST_PAGE
    if why:
        return {"web": part(why, ok=False, of="gunicorn") | more, "static": static}
    return {"web": part(f"a page from {place} through nginx, gunicorn and Django", ok=True), "static": static}


def near(listen: Any) -> tuple[str, int]:
    """Where this host reaches what listens there."""
    address, _, port = str(listen).split()[0].rpartition(":")
    address = address.strip("[]").replace("*", "")
    return {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}.get(address, address), int(port)  # noqa: S104


def get(address: str, port: int, host: str, path: str, secure: bool = False) -> tuple[int, bytes]:
    """Status and body of a page, by way of the redirect to HTTPS where there is one."""
    connection: http.client.HTTPConnection
    if secure:
        connection = http.client.HTTPSConnection(address, port, timeout=HTTP_TIMEOUT, context=unverified())
    else:
        connection = http.client.HTTPConnection(address, port, timeout=HTTP_TIMEOUT)
    with contextlib.closing(connection):
        connection.request("GET", path, headers={"Host": host})
        response = connection.getresponse()
        there = urlsplit(response.headers.get("Location") or "")
        if there.scheme == "https" and not secure:
            return get(address, there.port or 443, host, path, secure=True)
        return response.status, response.read(2**20)


def unverified() -> ssl.SSLContext:
    """TLS with whom a certificate says nothing of: it is asked by address, and its certificate is a part by itself."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


def folders(phagescan: dict[str, Any], roles: list[str]) -> list[str]:
    """Where this host writes."""
    found = ["/"]
    if "master" in roles:
        found += [phagescan["scan"]["sample_root"], "/var/lib/postgresql", "/var/lib/rabbitmq", phagescan["log_dir"]]
    if "worker" in roles:
        found += [phagescan["worker"]["log_dir"], "/tmp"]  # noqa: S108  # samples, while they are scanned
    return found


def disk(paths: Iterable[str]) -> Part:
    """What is left on each of the paths' file systems, for those who are not root."""
    said, short, seen = [], [], set()
    for path in paths:
        if not os.path.exists(path) or (device := os.stat(path).st_dev) in seen:
            continue
        seen.add(device)
        left = os.statvfs(path)
        free, size = left.f_bavail * left.f_frsize, left.f_blocks * left.f_frsize
        line = f"{path} has {amount(free)} of {amount(size)} left"
        if left.f_files and left.f_favail < left.f_files / 100:
            line += f", and {left.f_favail} of {left.f_files} inodes"
            short.append(line)
        elif free < min(LEAST, size / 10):
            short.append(line)
        said.append(line)
    return part("; ".join(short or said), ok=not short)


def amount(size: int) -> str:
    """Bytes as people read them."""
    return f"{size / 2**30:.1f} GiB" if size >= 2**30 else f"{size / 2**20:.0f} MiB"


def secured(site: dict[str, Any]) -> dict[str, tuple[str, int]]:
    """Where a certificate is shown, by the part that explains why nobody answers there."""
    found = {"web": (near(site["listen"])[0], 443)}
    with contextlib.suppress(FileNotFoundError):
        listen = re.search(r"^listeners\.ssl\.1 = (.+)", pathlib.Path(AMQPS).read_text(), re.MULTILINE)
        found |= {"broker": near(listen[1])} if listen else {}
    return found


def presented(address: str, port: int) -> x509.Certificate | None:
    """The certificate that is shown there, whatever it is worth; none where nobody answers in TLS."""
    try:
        with (
            socket.create_connection((address, port), HTTP_TIMEOUT) as connection,
            unverified().wrap_socket(connection) as secure,
        ):
            shown = secure.getpeercert(binary_form=True)
            return x509.load_der_x509_certificate(shown) if shown else None
    except (OSError, ValueError):
        return None


def validity(path: str, shown: dict[str, tuple[int, x509.Certificate | None]], found: dict[str, Part]) -> Part:
    """How long a certificate is still valid, and whether it is the one that is shown: services read a file only once."""
    try:
        leaf = x509.load_pem_x509_certificate(pathlib.Path(path).read_bytes())
    except (OSError, ValueError) as error:
        return part(f"{path} cannot be read ({error})", ok=False)
    said, ok = dates(leaf)
    faults, unknown = [] if ok else [f"{path} {said}"], ""
    for other, (port, certificate) in shown.items():
        if certificate is None and not found[other]["ok"]:
            unknown = f"not known: port {port} does not answer, see {other}"
        elif certificate != leaf:
            what = (
                f"another certificate than {path}, one that {dates(certificate)[0]}"
                if certificate
                else "no certificate"
            )
            wait = ", and wait two minutes" if other == "broker" else ""
            faults.append(f"port {port} serves {what}: run salt-call --local state.highstate{wait}")
    if faults:
        return part("; ".join(faults), ok=False)
    return part(unknown) if unknown else part(f"{path} {said}", ok=True)


def dates(certificate: x509.Certificate) -> tuple[str, bool]:
    """How long it is still valid, and whether that is well."""
    since, until = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    now = datetime.datetime.now(datetime.UTC)
    days = (until - now).days
    if days < 0:
        return f"has expired on {until:%Y-%m-%d}", False
    if since > now:
        return f"is valid from {since:%Y-%m-%d} only", False
    return f"is valid until {until:%Y-%m-%d}, {days} days", days >= LEAST_DAYS


def logs(pillar: dict[str, Any], ours: dict[str, dict[str, Any]]) -> dict[str, tuple[str, str]]:
    """Unit and log file of each part that has one."""
    broker = ("rabbitmq-server", "/var/log/rabbitmq/rabbit@*.log")
    found = {node: (worker["service"], f"{worker['log_dir']}/{worker['service']}.log") for node, worker in ours.items()}
    return found | {
        "broker": broker,
        "broker-worker": broker,
        "database": ("postgresql*", "/var/log/postgresql/postgresql-*.log"),
        "nginx": ("nginx", "/var/log/nginx/error.log"),
        "gunicorn": ("gunicorn", f"{pillar['phagescan'].get('log_dir')}/gunicorn-error.log"),
        "camera": ("supervisor", camera(pillar["supervisord"]).get("logfile", "")),
    }


def last_lines(unit: str, pattern: str) -> list[str]:
    """The last lines of a unit's journal, where there is one, and of its newest log file."""
    lines = []
    if os.path.isdir("/run/systemd/system"):
        command = [
            "journalctl",
            "--quiet",
            "--no-pager",
            "--output=short-iso",
            f"--lines={JOURNAL_LINES}",
            f"--unit={unit}",
        ]
        with contextlib.suppress(OSError, subprocess.TimeoutExpired):
            lines += subprocess.run(command, capture_output=True, text=True, timeout=HTTP_TIMEOUT).stdout.splitlines()
    if files := glob.glob(pattern):
        with open(max(files, key=os.path.getmtime), "rb") as file:
            file.seek(max(0, os.stat(file.fileno()).st_size - 2**13))
            lines += file.read().decode(errors="replace").splitlines()[-FILE_LINES:]
    return ["".join(char if char.isprintable() else " " for char in line)[:LINE_LENGTH] for line in lines]
