"""Where people find the master: the address that is printed has been asked, as a browser asks it."""

import contextlib
import fcntl
import hashlib
import http.client
import itertools
import pathlib
import re
import shlex
import socket
import ssl
import struct
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlsplit

import firewall
from addresses import FROM_HERE, literal
from probes import is_login, local_address
from salt.exceptions import CommandExecutionError

# Nothing is sent there: the kernel says by which of its addresses it would (RFC 5737, RFC 3849).
ELSEWHERE = ((socket.AF_INET, "192.0.2.1"), (socket.AF_INET6, "2001:db8::1"))
SIOCGIFADDR = 0x8915  # netdevice(7)
STATUS = "salt-call --local phagescan.status"
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9.-]*|\[[0-9A-Fa-f:.]+\]")


def url(nginx: dict[str, Any], phagescan: dict[str, Any]) -> str:
    """The master's address for people: `phagescan:public_url`, else by a name that nginx and Django answer for, else
    by the address that the default route leaves from.
    """
    if phagescan.get("public_url"):
        return phagescan["public_url"].rstrip("/") + "/"
    site, allowed = nginx["sites"]["phagescan"], [*map(literal, phagescan["allowed_hosts"])]
    listen, _, port = str(site["listen"]).split()[0].rpartition(":")
    own = listen if listen not in FROM_HERE else own_address(listen)
    named = (name for name in site["server_name"].split() if NAME.fullmatch(name) and re.search("[.:]", name))
    host = literal(next(named, own))
    if not {"*", host} & {*allowed} and not any(host.endswith(name) for name in allowed if name.startswith(".")):
        host = next((name for name in allowed if NAME.fullmatch(name)), host)
    scheme, usual, port = ("https", "443", str(nginx["tls_port"])) if nginx["tls"] else ("http", "80", port)
    return f"{scheme}://{host}{'' if port == usual else f':{port}'}/"


def own_address(listen: str = "") -> str:
    """The address of this host that it reaches others by, as it is written in a URL, of IPv6 where there is no other,
    or where nginx listens on that alone; without a way to others that of its first interface, or its own.
    """
    for family, there in reversed(ELSEWHERE) if listen == "[::]" else ELSEWHERE:
        try:
            with socket.socket(family, socket.SOCK_DGRAM) as probe:
                probe.connect((there, 9))
                address = probe.getsockname()[0]
        except OSError:
            continue
        return f"[{address}]" if ":" in address else address
    return next((address for address in interfaces() if not address.startswith("127.")), "127.0.0.1")


def interfaces() -> Iterator[str]:
    """Addresses of IPv4 that interfaces of this host have."""
    for _, name in socket.if_nameindex():
        with contextlib.suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asked:
            answer = fcntl.ioctl(asked, SIOCGIFADDR, struct.pack("40s", name.encode()))
            yield socket.inet_ntoa(answer[20:24])


def knock(site: str, nginx: dict[str, Any], get: Callable[..., tuple[int, bytes]]) -> str:
    """Ask for the login page where people will; what is to be known of it, or nothing. `get` is probes.get.

    Raises CommandExecutionError with the reason and what to do where another page is there.
    """
    there = urlsplit(site)
    secure, host, note = there.scheme == "https", there.netloc, ""
    port = there.port or (443 if secure else 80)
    name = there.hostname or ""
    local, bound = local_address(nginx["sites"]["phagescan"]["listen"])
    try:
        status, body = get(name, port, host, "/login/", secure)
    except (OSError, http.client.HTTPException) as error:
        note = f"{site} is not reached from this host ({error}); is the name known, and the way open?"
        try:
            status, body = get(local, bound, host, "/login/")
        except (OSError, http.client.HTTPException) as worse:
            raise CommandExecutionError(f"{site}: nginx does not answer at {local}:{bound} ({worse})") from None
    if status == 400:
        raise CommandExecutionError(f"{site}: Django does not answer for {name}: add it to phagescan:allowed_hosts")
    if status in (502, 503, 504):
        raise CommandExecutionError(f"{site}: nginx gets no page of gunicorn (status {status}); see {STATUS}")
    if status != 200 or not is_login(body):
        raise CommandExecutionError(
            f"{site} shows another page (status {status}): nginx has another site for requests without a name of its"
            " own, or another server has this port; set nginx:sites:phagescan:server_name to a name of this host, or"
            " nginx:sites:phagescan:listen to another port"
        )
    here = {bound, nginx["tls_port"] if nginx["tls"] else bound}  # a proxy in front has others
    return note or (firewall.note(port) if port in here else "")


def door(site: str, nginx: dict[str, Any]) -> list[str]:
    """Options of the application's canary: where nginx listens on this host, and what it is asked for there."""
    address, port = local_address(nginx["sites"]["phagescan"]["listen"])
    tls = nginx["tls"]
    port, more = (nginx["tls_port"], ["--fingerprint", fingerprint(tls["certificate"])]) if tls else (port, [])
    return ["--url", site, "--address", address, "--port", str(port), *more]


def fingerprint(path: str) -> str:
    """SHA-256 fingerprint of the first certificate in a file, as browsers show it."""
    text = pathlib.Path(path).read_text(errors="replace")
    leaf = re.search(r"-+BEGIN CERTIFICATE-+.+?-+END CERTIFICATE-+", text, re.DOTALL)
    digest = hashlib.sha256(ssl.PEM_cert_to_DER_cert(leaf[0] if leaf else "")).hexdigest().upper()
    return ":".join(re.findall("..", digest))


def password_command(credentials: str, password: str) -> str:
    """What prints the admin's password: a look into the file, or Salt where that is encrypted, or it is elsewhere."""
    with contextlib.suppress(OSError, UnicodeError):
        lines = pathlib.Path(credentials).read_text().splitlines()
        if any("admin:" in first and password in second for first, second in itertools.pairwise(lines)):
            return f"grep -A1 admin: {shlex.quote(credentials)}"
    return "salt-call --local pillar.get phagescan:admin:password unmask=True"
