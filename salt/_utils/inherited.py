"""What formulas take from Phagescan's pillar, so that each value is in pillar once. Their own pillar wins.

`get` is pillar.get: a key with colons, and what is returned where it is missing. What pillar does not have is None
here.
"""

import ipaddress
from collections.abc import Callable
from typing import Any

from addresses import FROM_HERE

Get = Callable[..., Any]

ROLES = ("master", "worker")
SELF_SIGNED = {"certificate": "/etc/phagescan/tls/certificate.pem", "key": "/etc/phagescan/tls/key.pem"}


def of(formula: str, get: Get, grains: dict[str, Any]) -> dict[str, Any]:
    """Settings that a formula, or the namespace phagescan itself, has where its own pillar says nothing else."""
    handed = {
        "phagescan": _phagescan,
        "gunicorn": lambda get, _grains: {**_process(get), "mode": get("phagescan:mode")},
        "celery": _celery,
        "supervisord": _supervisord,
        "nginx": _nginx,
        "postgresql": _postgresql,
        "rabbitmq": lambda get, _grains: {"tls": tls(get), "least_privilege": _apart(get)},
    }
    return handed[formula](get, grains) if formula in handed else {}


def roles(get: Get, grains: dict[str, Any]) -> list[str]:
    """Roles of this host: pillar `phagescan:roles`, else the grain `roles`, else all there are. What is no list, which
    the schema refuses, counts as none.
    """
    given = get("phagescan:roles", None) or grains.get("roles") or ROLES
    return [given] if isinstance(given, str) else list(given) if isinstance(given, (list, tuple)) else []


def tls(get: Get) -> dict[str, str]:
    """Files of the master's certificate and key: pillar `phagescan:tls`; nothing without TLS."""
    given = _entries({"tls": get("phagescan:tls", None)}).get("tls", {})
    return SELF_SIGNED if given.get("self_signed") else {name: given[name] for name in SELF_SIGNED if name in given}


def _process(get: Get) -> dict[str, Any]:
    """The process that runs the application; its files are for the user's own group."""
    user = get("phagescan:user", None)
    return {
        "user": user,
        "group": user,
        "chdir": get("phagescan:root", None),
        "virtualenv": get("phagescan:virtualenv", None),
        "log_dir": get("phagescan:log_dir", None),
        "environment": {"DJANGO_SETTINGS_MODULE": "scaggr.settings"},
    }


def _phagescan(get: Get, grains: dict[str, Any]) -> dict[str, Any]:
    """A worker on the master's host fetches samples from nginx, whose port no other user can listen on."""
    site = _entries(get("nginx:sites", {})).get("phagescan", {})
    address, _, port = str(site.get("listen", "")).partition(" ")[0].rpartition(":")
    url = f"http://{FROM_HERE.get(address, address)}" + (f":{port}" if port != "80" else "")
    return {"worker": {"master_url": url if port else None}} if "master" in roles(get, grains) else {}


def _celery(get: Get, grains: dict[str, Any]) -> dict[str, Any]:
    """Scan workers have a user and a log directory of their own, and nothing of Django."""
    user, log_dir = get("phagescan:worker:user", None), get("phagescan:worker:log_dir", None)
    scanner = {"user": user, "group": user, "log_dir": log_dir, "environment": {}}
    workers = _entries(get("celery:workers", {}))
    return {
        **_process(get),
        "mode": get("phagescan:mode", None),
        "roles": roles(get, grains),
        "workers": {name: scanner if worker.get("role") == "worker" else {} for name, worker in workers.items()},
    }


def _supervisord(get: Get, _grains: dict[str, Any]) -> dict[str, Any]:
    process = _process(get)
    camera = {"directory": process["chdir"], **{key: process[key] for key in ("user", "virtualenv", "environment")}}
    programs = {"celerycam": camera} if "celerycam" in _entries(get("supervisord:programs", {})) else {}
    # The camera reaches the broker; it comes to the database by a Unix socket.
    broker = get("phagescan:broker:host", None)
    unit = {"IPAddressDeny": "any", "IPAddressAllow": f"localhost {broker}"} if _is_address(broker) else {}
    return {"mode": get("phagescan:mode", None), "programs": programs, "unit": unit}


def _postgresql(get: Get, _grains: dict[str, Any]) -> dict[str, Any]:
    """The application's role, which owns its tables and nothing else."""
    user, name = get("phagescan:user", None), get("phagescan:database:name", None)
    if not isinstance(user, str) or not isinstance(name, str) or name not in _entries(get("postgresql:databases", {})):
        return {}
    return {"roles": {user: {"peer": True}}, "databases": {name: {"schema_owner": user}}}


def _nginx(get: Get, _grains: dict[str, Any]) -> dict[str, Any]:
    """The site in front of gunicorn: a little more than the largest sample comes through, so that the page explains."""
    static, largest = get("phagescan:static_root", None), get("phagescan:scan:max_size", None)
    bind, proxied = get("gunicorn:bind", None), get("gunicorn:socket", None)
    production = get("phagescan:mode", None) != "development"
    site: dict[str, Any] = {
        "proxy": f"unix:{proxied}" if proxied and production else bind,
        "static": {"/static/": f"{static}/"} if static else None,
        "public_url": url if str(url := get("phagescan:public_url", None)).startswith("https://") else None,
        "proxies": get("phagescan:proxies", None),
    }
    given = _entries(get("nginx:sites", {}))
    if "uploads" in given.get("phagescan", {}):
        site["uploads"] = {"client_max_body_size": f"{largest + 1}m" if isinstance(largest, int) else None}
    sites = {"phagescan": site} if "phagescan" in given else {}
    return {"tls": tls(get), "sites": sites}


def _apart(get: Get) -> bool:
    """Whether the workers' login may do less: where other hosts reach the broker, and the master has one of its own."""
    listen, broker = get("rabbitmq:listen", None) or "127.0.0.1", get("phagescan:broker", None)
    master, worker = (broker.get("master"), broker.get("worker")) if isinstance(broker, dict) else (None, None)
    return not (str(listen).startswith("127.") or listen == "::1") and master != worker


def _is_address(host: Any) -> bool:
    """Whether a host is given by its address."""
    try:
        return bool(ipaddress.ip_address(host))
    except ValueError:
        return False


def _entries(table: Any) -> dict[str, dict[str, Any]]:
    """The mappings in a table of pillar, which may be anything before it was checked."""
    entries = table.items() if isinstance(table, dict) else ()
    return {name: entry for name, entry in entries if isinstance(entry, dict)}
