"""Looks at parts of this host, as a client or a user would: pages, certificates, disks, logs. Nothing is changed."""

import contextlib
import datetime
import http.client
import os
import pathlib
import re
import socket
import ssl
from collections.abc import Iterable
from typing import Any
from urllib.parse import urlsplit

from addresses import FROM_HERE
from cryptography import x509

# `ok`: true, false, or None where it cannot be known; `degraded`, where it is true: it does what it is for, not as it
# should; `said`: a line; `of`: whose log says more.
Part = dict[str, Any]

HTTP_TIMEOUT = 5.0
# Bytes that a file system should have left; a small one a tenth.
LEAST = 2**30
# The highstate makes a certificate of its own again earlier than that.
LEAST_DAYS = 14
# Formula rabbitmq's, where there is AMQPS: not on a broker that was here first.
AMQPS = "/etc/rabbitmq/conf.d/60-tls.conf"
# The first page after a start waits until gunicorn's workers have loaded the application.
FIRST_PAGE = {"startup": {"seconds": 20, "nodes": ["gunicorn"]}}


def part(said: str, ok: bool | None = None, of: str = "") -> Part:
    """What is reported of a part."""
    return {"ok": ok, "said": said, "of": of}


def website(site: dict[str, Any], host: str) -> dict[str, Part]:
    """A static file by nginx, and a page that goes through it to the application."""
    address, port = local_address(site["listen"])
    host = next((name for name in site["server_name"].split() if re.fullmatch(r"[A-Za-z0-9.-]+", name)), host)
    place = f"{address}:{port}"

    try:
        path = next(iter(site["static"]), "/static/") + "scaggr/icon.svg"
        status, body = get(address, port, host, path)
        why = f"status {status}" if status != 200 else "" if body == own_icon(site) else f"another site, at {place}"
        static = part(f"{path}: {why}", ok=False, of="nginx") if why else part(f"nginx serves {path}", ok=True)
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
            why = "" if is_login(body) else f"/login/ at {place} is not the page of Phagescan, but another site's"
    except (OSError, http.client.HTTPException) as error:
        why, more = f"gunicorn gives nginx no page ({str(error) or type(error).__name__})", FIRST_PAGE
    if why:
        return {"web": part(why, ok=False, of="gunicorn") | more, "static": static}
    return {"web": part(f"a page from {place} through nginx, gunicorn and Django", ok=True), "static": static}


def own_icon(site: dict[str, Any]) -> bytes | None:
    """The icon that nginx should serve; none where it is gone."""
    try:
        return pathlib.Path(next(iter(site["static"].values())), "scaggr/icon.svg").read_bytes()
    except (OSError, StopIteration):
        return None


def is_login(body: bytes) -> bool:
    """Whether a page is the one that people log in at."""
    return b"csrfmiddlewaretoken" in body and b"Phagescan" in body


def local_address(listen: Any) -> tuple[str, int]:
    """Where this host reaches what listens there."""
    address, _, port = str(listen).split()[0].rpartition(":")
    return FROM_HERE.get(address, address).strip("[]"), int(port)


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
    """TLS without verification: the host is asked by address, and its certificate is a part by itself."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


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


def secured(site: dict[str, Any], port: int) -> dict[str, tuple[str, int]]:
    """Where a certificate is shown, by the part that explains why nothing answers there."""
    found = {"web": (local_address(site["listen"])[0], port)}
    with contextlib.suppress(FileNotFoundError):
        listen = re.search(r"^listeners\.ssl\.1 = (.+)", pathlib.Path(AMQPS).read_text(), re.MULTILINE)
        found |= {"broker": local_address(listen[1])} if listen else {}
    return found


def presented(address: str, port: int) -> x509.Certificate | None:
    """The certificate that is shown there, valid or not; none where nothing answers in TLS."""
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
    """How long a certificate is still valid, and whether it is the one that is shown: services read a file only
    once.
    """
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
