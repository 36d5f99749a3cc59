"""Phagescan on this host, for the operator: `salt-call --local phagescan.<function>`."""

import pathlib
import re
from typing import Any

from salt.exceptions import CommandExecutionError

RELEASES = ("Debian-13", "Debian-12", "Ubuntu-24.04")
ROLES = ("master", "worker")
MODES = ("production", "development")
SAMPLES = {
    "longmasterpassword",
    "longworkerpassword",
    "sup3rdup3r",
    "adminpassword",
    "change-me-to-fifty-characters-or-more-of-random-text",
}
CREDENTIALS = "pillar/credentials.sls"


def roles() -> list[str]:
    """Roles of this host: pillar `phagescan:roles`, else the grain `roles`, else `master`."""
    given = _get("phagescan:roles") or __salt__["grains.get"]("roles") or ["master"]
    return [given] if isinstance(given, str) else list(given)


def faults() -> list[str]:
    """What keeps this pillar from being applied to this host, one line each: key, reason, what would be right."""
    release = __grains__.get("osfinger")
    if __grains__.get("os_family") != "Debian" or release not in RELEASES:
        return [f"grain osfinger: {release} ({__grains__.get('os_family')}) is not known; known: {', '.join(RELEASES)}"]
    found = []
    for role in roles():
        if role not in ROLES:
            found.append(f"phagescan:roles: {role} is not a role; roles: {', '.join(ROLES)}")
    mode = _get("phagescan:mode")
    if mode not in MODES:
        found.append(f"phagescan:mode: {mode} is not a mode; modes: {', '.join(MODES)}")
    for key in ("broker:host", "broker:vhost", "broker:worker", "root", "virtualenv", "user", "source"):
        found += _present(f"phagescan:{key}")
    if "master" in roles():
        for key in ("broker:master", "database:name", "database:user", "admin:user", "static_root", "log_dir"):
            found += _present(f"phagescan:{key}")
        found += _master()
    found += _refers("phagescan:broker:worker", "rabbitmq:users")
    return found + _passwords() + _host()


def doctor() -> str:
    """Check pillar and host without changing anything; exits non-zero with every fault, a line each."""
    found = faults()
    if found:
        raise CommandExecutionError("\n".join(found))
    return "No faults in pillar or host."


def canary() -> str:
    """Send a task through broker, master worker, result collector, database and camera, and say what each hop took.

    Exits non-zero with the hop that is broken.
    """
    pillar = _get("phagescan")
    site = {
        "root": pillar["root"],
        "virtualenv": pillar["virtualenv"],
        "user": pillar["user"],
        "environment": {"DJANGO_SETTINGS_MODULE": "scaggr.settings"},
    }
    try:
        return __salt__["django_site.manage"](site, "canary").strip()
    except CommandExecutionError as error:
        raise CommandExecutionError(str(error).removeprefix("manage.py canary: ")) from None
    except OSError as error:
        raise CommandExecutionError(f"canary failed: Phagescan is not installed here ({error})") from None


def welcome() -> str:
    """Where the web page is, who may log in, and where that password lies."""
    addresses = [ip for ip in __grains__.get("ipv4", []) if not ip.startswith("127.")] or ["127.0.0.1"]
    return "\n".join(
        [
            f"Phagescan Master: http://{addresses[0]}/",
            f"Log in as:        {_get('phagescan:admin:user')}",
            f"Password:         phagescan:admin:password in {CREDENTIALS}",
        ]
    )


def _get(key: str) -> Any:
    return __salt__["pillar.get"](key, None, unmask=True)


def _present(key: str) -> list[str]:
    return [] if _get(key) not in (None, "") else [f"{key}: is missing; see {key.split(':')[0]}.sls in pillar/"]


def _refers(key: str, table: str) -> list[str]:
    name = _get(key)
    if name in (None, "") or name in (_get(table) or {}):
        return []
    return [f"{key}: {name} is not in {table}"]


def _master() -> list[str]:
    """Faults in what only the master reads."""
    found = _refers("phagescan:broker:master", "rabbitmq:users") + _refers("phagescan:database:user", "postgresql:roles")
    found += _refers("phagescan:database:name", "postgresql:databases")
    vhosts = _get("rabbitmq:vhosts") or []
    if _get("phagescan:broker:vhost") not in vhosts:
        found.append(f"phagescan:broker:vhost: {_get('phagescan:broker:vhost')} is not in rabbitmq:vhosts")
    for name, user in (_get("rabbitmq:users") or {}).items():
        for vhost, rights in (user.get("permissions") or {}).items():
            if vhost not in vhosts:
                found.append(f"rabbitmq:users:{name}:permissions: vhost {vhost} is not in rabbitmq:vhosts")
            if not isinstance(rights, list) or len(rights) != 3:
                found.append(f"rabbitmq:users:{name}:permissions:{vhost}: must be [configure, write, read]")
        if name in (_get("rabbitmq:absent:users") or []):
            found.append(f"rabbitmq:absent:users: {name} is in rabbitmq:users, too")
    for name, database in (_get("postgresql:databases") or {}).items():
        if database.get("owner") not in (_get("postgresql:roles") or {}):
            found.append(f"postgresql:databases:{name}:owner: {database.get('owner')} is not in postgresql:roles")
    return found


def _host() -> list[str]:
    """What is on this host already, is not ours, and would be in the way."""
    if "master" not in roles():
        return []
    found = []
    port = _get("postgresql:port") or 5432
    for path in sorted(pathlib.Path("/etc/postgresql").glob("*/*/postgresql.conf")):
        cluster = "/".join(path.parts[-3:-1])
        match = re.search(r"^\s*port\s*=?\s*(\d+)", path.read_text(), re.MULTILINE)
        listens = int(match[1]) if match else 5432
        ours = cluster == f"{__salt__['postgresql_topology.version']()}/main"
        if ours and listens != port:
            found.append(f"postgresql:port: cluster {cluster} listens on {listens}, not on {port}; set this key to {listens}")
        if not ours and listens == port:
            found.append(f"postgresql:port: {port} belongs to cluster {cluster}; set this key to the next free port")
    if _get("phagescan:mode") == "development":
        ours = {f"{name}.conf" for name in _get("supervisord:programs") or {}}
        for path in sorted(pathlib.Path("/etc/supervisor/conf.d").glob("*.conf")):
            if path.name not in ours:
                found.append(f"phagescan:mode: development would stop supervisord, which also runs {path}")
    return found


def _passwords() -> list[str]:
    """Faults of passwords; the value itself is never shown."""
    keys = [f"rabbitmq:users:{name}:password" for name in _get("rabbitmq:users") or {}]
    if "master" in roles():
        keys += [f"postgresql:roles:{name}:password" for name in _get("postgresql:roles") or {}]
        keys += ["phagescan:admin:password", "phagescan:secret_key"]
    samples_allowed = bool(_get("phagescan:allow_sample_passwords"))
    found = []
    for key in keys:
        value = _get(key)
        shortest = 50 if key.endswith("secret_key") else 12
        if value in (None, ""):
            found.append(f"{key}: is missing; it stands in {CREDENTIALS}")
        elif not isinstance(value, str):
            found.append(f"{key}: is not text; put it in quotes")
        elif samples_allowed:
            continue
        elif value in SAMPLES:
            found.append(f"{key}: is the sample password; choose another")
        elif len(value) < shortest:
            found.append(f"{key}: is shorter than {shortest} characters")
        elif value.startswith("-"):
            found.append(f"{key}: starts with '-', which tools take for an option")
        elif re.search(r"[\x00-\x1f\x7f]", value):
            found.append(f"{key}: holds a control character")
    return found
