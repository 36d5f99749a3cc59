"""Ports, addresses, and who reaches whom."""

import ipaddress
import itertools
import re
import socket
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

from checks.situation import EVERYWHERE, LOOPBACK, Fault, Listener, Situation, split


def listeners(situation: Situation) -> list[Listener]:
    """What a master's services listen on."""
    get = situation.get
    listen, sites = get("rabbitmq:listen", "127.0.0.1"), get("nginx:sites", {})
    erlang = get("rabbitmq:ports", {})
    broker: dict[str, Any] = {"users": ("rabbitmq",), "program": "beam.smp"}
    nginx: dict[str, Any] = {"pidfile": "run/nginx.pid", "program": "nginx"}
    addresses = {
        f"nginx:sites:{name}:listen": split(site["listen"]) for name, site in sites.items() if "listen" in site
    }
    found = [
        Listener(
            *("Erlang's epmd", "127.0.0.1", erlang.get("epmd", 0)),
            users=("epmd", "rabbitmq"),
            pidfile="proc/1/stat",  # systemd's socket
            program="epmd",
        ),
        Listener("RabbitMQ's distribution", "127.0.0.1", erlang.get("distribution", 0), **broker),
    ]
    if situation.tls and addresses:
        address = next(iter(addresses.values()))[0]
        found.append(Listener("HTTPS of nginx", address, get("nginx:tls_port", 0), "nginx:tls_port", **nginx))
    amqp = "127.0.0.1" if situation.amqps else listen
    found.append(Listener("RabbitMQ", amqp, get("rabbitmq:port", 0), "rabbitmq:port", **broker))
    if situation.amqps:
        found.append(Listener("RabbitMQ", listen, get("rabbitmq:tls_port", 0), "rabbitmq:tls_port", **broker))
    port = get("postgresql:port", 0)
    found.append(Listener("PostgreSQL", "127.0.0.1", port, "postgresql:port", users=("postgres",), program="postgres"))
    if bind := get("gunicorn:bind"):
        pidfile = "run/gunicorn/gunicorn.pid"
        found.append(Listener("gunicorn", *split(bind), "gunicorn:bind", pidfile=pidfile, program="gunicorn"))
    found += [Listener("nginx", address, port, key, **nginx) for key, (address, port) in addresses.items()]
    return [listener for listener in found if listener.port or listener.key.startswith(("gunicorn", "nginx:sites"))]


def ports(situation: Situation) -> Iterator[Fault]:
    """No two services want one port, and each port is one."""
    wanted = listeners(situation) if situation.master else []
    for listener in wanted:
        if not 0 < listener.port < 65536:
            yield Fault(listener.name, f"has no port from 1 to 65535, but {listener.port}")
    for first, second in itertools.combinations(wanted, 2):
        both_nginx = first.key.startswith("nginx:sites") and second.key.startswith("nginx:sites")
        meet = first.address == second.address or {first.address, second.address} & EVERYWHERE
        if first.port == second.port and meet and not both_nginx:
            reason = f"port {first.port} is that of {first.name}; choose another"
            yield Fault(second.name, reason, (first.name,))


def addresses(situation: Situation) -> Iterator[Fault]:
    """Services of the master listen where its clients look for them."""
    get = situation.get
    if not situation.master:
        return
    listen, host = get("rabbitmq:listen", "127.0.0.1"), get("phagescan:broker:host")
    try:
        socket.inet_pton(socket.AF_INET6 if ":" in listen else socket.AF_INET, listen)
    except OSError:
        yield Fault("rabbitmq:listen", f"must be an IP address, not {listen}")
        listen = ""
    hosts = [("phagescan:allowed_hosts", name) for name in get("phagescan:allowed_hosts", ()) if ":" in name]
    places = ((f"nginx:sites:{name}:listen", site) for name, site in get("nginx:sites", {}).items())
    hosts += [(key, split(site["listen"])[0]) for key, site in places if "listen" in site]
    for key, address in hosts:
        if address not in EVERYWHERE and _address(address.strip("[]")) is None:
            yield Fault(key, f"{address} is no IP address")
    if not (get("gunicorn:bind") or "").startswith("127.0.0.1:"):
        yield Fault("gunicorn:bind", "Django listens on loopback only; make it 127.0.0.1:<port>")
    elsewhere = host and listen not in EVERYWHERE and _address(host) not in (None, _address(listen))
    if elsewhere and not situation.amqps:
        reason = f"the broker does not listen there, but on {listen} (rabbitmq:listen)"
        yield Fault("phagescan:broker:host", reason, ("rabbitmq:listen",))


def sites(situation: Situation) -> Iterator[Fault]:
    """nginx ignores one of two sites of a name on a port."""
    known: dict[Any, str] = {}
    for name, site in situation.get("nginx:sites", {}).items() if situation.master else ():
        for server in str(site.get("server_name", name)).split():
            both = situation.tls and "listen" in site
            listen = split(site["listen"])[0] if both else str(site.get("listen"))
            if (other := known.setdefault((listen, server), name)) != name:
                reason = f"{server} is that of nginx:sites:{other}, on the same port"
                yield Fault(f"nginx:sites:{name}:server_name", reason)


def tls(situation: Situation) -> Iterator[Fault]:
    """Certificate and key come together, and those who need them know."""
    get, given = situation.get, situation.get("phagescan:tls") or {}
    if not situation.master:
        return
    if given is True:
        yield Fault("phagescan:tls", "must be false, {self_signed: true}, or {certificate: <file>, key: <file>}")
        return
    for key, other in (("key", "certificate"), ("certificate", "key")):
        if other in given and key not in given:
            reason = f"is missing; it belongs to phagescan:tls:{other}"
            yield Fault(f"phagescan:tls:{key}", reason, (f"phagescan:tls:{other}",))
    if given.get("self_signed") and {"certificate", "key"} & given.keys():
        reason = "is beside a certificate or key of yours; take out one or the other"
        yield Fault("phagescan:tls:self_signed", reason)
    if get("phagescan:broker:tls"):
        reason = "is for workers on other hosts: a master reaches its broker on 127.0.0.1; take it out"
        yield Fault("phagescan:broker:tls", reason)
    host = get("phagescan:broker:host", "127.0.0.1")
    if situation.amqps and host not in LOOPBACK:
        reason = f"must be 127.0.0.1: with phagescan:tls AMQP is there, and AMQPS on {host}"
        yield Fault("phagescan:broker:host", reason)


def master_url(situation: Situation) -> Iterator[Fault]:
    """A scan worker fetches samples where something listens."""
    get, key = situation.get, "phagescan:worker:master_url"
    parts = re.fullmatch(r"(?:(https?)://(\[.*\]|[^:/]*)(?::(\d+))?.*)?", get(key, ""))
    if not situation.worker or not parts:
        return  # no URL: the schema's check reports that
    scheme, host, port = parts.groups()
    bind = get("gunicorn:bind", "127.0.0.1:0")
    if port and not 0 < int(port) < 65536:
        yield Fault(key, f"has no port from 1 to 65535, but {port}")
    elif not situation.master:
        if scheme == "http" and get("phagescan:broker:tls"):
            reason = "must begin with https://: where the broker speaks TLS (phagescan:broker:tls), the master does"
            yield Fault(key, reason)
    elif scheme == "http" and int(port or 80) != split(bind)[1]:
        listening = [split(site["listen"])[1] for site in get("nginx:sites", {}).values() if "listen" in site]
        if host in LOOPBACK and int(port or 80) not in listening:
            yield Fault(key, "nothing listens there; take it out: it then is what nginx listens on", ("nginx:sites",))


def hosts(situation: Situation) -> Iterator[Fault]:
    """Names of other hosts are known here."""
    wanted = {"phagescan:broker:host": situation.get("phagescan:broker:host")}
    if situation.worker:
        key = "phagescan:worker:master_url"
        wanted[key] = urlsplit(situation.get(key, "")).hostname
    for key, host in wanted.items():
        try:
            socket.getaddrinfo(host or "127.0.0.1", None)  # one that is missing is reported elsewhere
        except (OSError, UnicodeError) as error:
            why = getattr(error, "strerror", None) or error
            yield Fault(key, f"{host} is not known here ({why}); add it to /etc/hosts, or make this key its address")


def _address(host: str) -> Any:
    """The address that a host has; None for a name, which may have any."""
    try:
        return ipaddress.ip_address("127.0.0.1" if host in LOOPBACK else host)
    except ValueError:
        return None


PILLAR = (ports, addresses, sites, tls, master_url)
CHECKS = (*PILLAR, hosts)
