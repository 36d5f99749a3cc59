"""Phagescan on this host, for the operator: `salt-call --local phagescan.<function>`."""

import pathlib
import re
import socket
from typing import Any
from urllib.parse import urlsplit

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


# What each pillar key holds where it is given; `*` stands for any name.
TYPES: dict[str, tuple[type, ...]] = {
    "phagescan": (dict,),
    "phagescan:roles": (str, list),
    "phagescan:allowed_hosts": (list,),
    "phagescan:time_zone": (str,),
    "phagescan:broker": (dict,),
    "phagescan:database": (dict,),
    "phagescan:admin": (dict,),
    "phagescan:scan": (dict,),
    "phagescan:scan:max_size": (int,),
    "phagescan:scan:expires": (int,),
    "phagescan:worker": (dict,),
    "phagescan:worker:concurrency": (int,),
    "phagescan:engines": (dict,),
    "phagescan:engines:*": (dict,),
    "phagescan:engines:*:timeout": (int,),
    "phagescan:engines:*:memory": (int,),
    "phagescan:engines:yara:rules": (dict,),
    "phagescan:engines:yara:rules:*": (str,),
    "rabbitmq:least_privilege": (bool,),
    "rabbitmq": (dict,),
    "rabbitmq:port": (int,),
    "rabbitmq:consumer_timeout": (int,),
    "rabbitmq:vhosts": (list,),
    "rabbitmq:users": (dict,),
    "rabbitmq:users:*": (dict,),
    "rabbitmq:users:*:tags": (list,),
    "rabbitmq:users:*:permissions": (dict,),
    "rabbitmq:users:*:permissions:*": (list,),
    "rabbitmq:users:*:least": (dict,),
    "rabbitmq:users:*:least:*": (list,),
    "rabbitmq:policies": (dict,),
    "rabbitmq:policies:*": (dict,),
    "rabbitmq:policies:*:*": (dict,),
    "rabbitmq:absent": (dict,),
    "rabbitmq:absent:users": (list,),
    "rabbitmq:absent:vhosts": (list,),
    "postgresql": (dict,),
    "postgresql:port": (int,),
    "postgresql:roles": (dict,),
    "postgresql:roles:*": (dict,),
    "postgresql:roles:*:createdb": (bool,),
    "postgresql:roles:*:superuser": (bool,),
    "postgresql:databases": (dict,),
    "postgresql:databases:*": (dict,),
    "postgresql:databases:*:owner": (str,),
    "postgresql:databases:*:extensions": (list,),
    "nginx": (dict,),
    "nginx:sites": (dict,),
    "nginx:sites:*": (dict,),
    "nginx:sites:*:static": (dict,),
    "nginx:sites:*:error_pages": (dict,),
    "gunicorn": (dict,),
    "gunicorn:environment": (dict,),
    "gunicorn:bind": (str,),
    "gunicorn:workers": (int,),
    "gunicorn:threads": (int,),
    "gunicorn:timeout": (int,),
    "celery": (dict,),
    "celery:environment": (dict,),
    "celery:workers": (dict,),
    "celery:workers:*": (dict,),
    "celery:workers:*:beat": (bool,),
    "supervisord": (dict,),
    "supervisord:programs": (dict,),
    "supervisord:programs:*": (dict,),
    "supervisord:programs:*:environment": (dict,),
}
KINDS = {
    dict: "a mapping",
    list: "a list",
    str: "text",
    int: "a number",
    bool: "true or false",
    type(None): "nothing",
}
# Keys that must say the same: the formulas are told, and do not know of each other.
SAME = (
    ("gunicorn:user", "phagescan:user"),
    ("gunicorn:chdir", "phagescan:root"),
    ("gunicorn:virtualenv", "phagescan:virtualenv"),
    ("gunicorn:log_dir", "phagescan:log_dir"),
    ("celery:user", "phagescan:user"),
    ("celery:chdir", "phagescan:root"),
    ("celery:virtualenv", "phagescan:virtualenv"),
    ("celery:log_dir", "phagescan:log_dir"),
    ("celery:workers:celeryd:user", "phagescan:worker:user"),
    ("celery:workers:celeryd:log_dir", "phagescan:worker:log_dir"),
    ("nginx:sites:phagescan:proxy", "gunicorn:bind"),
)


def roles() -> list[str]:
    """Roles of this host: pillar `phagescan:roles`, else the grain `roles`, else all there are."""
    given = _get("phagescan:roles") or __salt__["grains.get"]("roles") or ROLES
    return [given] if isinstance(given, str) else list(given)


def faults() -> list[str]:
    """What keeps this pillar from being applied to this host, one line each: key, reason, what would be right."""
    release = __grains__.get("osfinger")
    if __grains__.get("os_family") != "Debian" or release not in RELEASES:
        return [f"grain osfinger: {release} ({__grains__.get('os_family')}) is not known; known: {', '.join(RELEASES)}"]
    found = _types()
    if found:
        return found  # what follows would stumble over them
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
        found += _present("phagescan:scan:sample_root") + _positive("phagescan:scan:max_size", "phagescan:scan:expires")
        found += _master()
    if "worker" in roles():
        for key in ("worker:user", "worker:log_dir", "engines"):
            found += _present(f"phagescan:{key}")
        found += _positive("phagescan:worker:concurrency") + _worker() + _engines()
    found += _refers("phagescan:broker:worker", "rabbitmq:users") + _master_url()
    return found + _same() + _passwords() + _host()


def allowed_hosts() -> list[str]:
    """Names that Django answers for: pillar `phagescan:allowed_hosts`, and the one by which workers fetch samples."""
    fetched = urlsplit(_get("phagescan:worker:master_url")).hostname
    return list(dict.fromkeys([*_get("phagescan:allowed_hosts"), f"[{fetched}]" if ":" in fetched else fetched]))


def peers() -> list[str]:
    """Addresses that a scan worker may talk to: the broker, the master, and name servers where one of them has a name."""
    hosts = {_get("phagescan:broker:host"), urlsplit(_get("phagescan:worker:master_url")).hostname}
    addresses, named = set(), False
    for host in hosts:
        found = {info[4][0] for info in socket.getaddrinfo(host, None)}
        named = named or found != {host}
        addresses |= found
    resolvers = pathlib.Path("/etc/resolv.conf")
    if named and resolvers.exists():
        addresses |= set(re.findall(r"^nameserver\s+(\S+)", resolvers.read_text(), re.MULTILINE))
    return sorted(addresses)


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
    pillar = _get("phagescan") or {}
    try:
        site = {
            "root": pillar["root"],
            "virtualenv": pillar["virtualenv"],
            "user": pillar["user"],
            "environment": {"DJANGO_SETTINGS_MODULE": "scaggr.settings"},
        }
        return __salt__["django_site.manage"](site, "canary").strip()
    except CommandExecutionError as error:
        raise CommandExecutionError(str(error).removeprefix("manage.py canary: ")) from None
    except (OSError, LookupError) as error:
        raise CommandExecutionError(f"canary failed: Phagescan is not installed here ({error})") from None


def arrival(canary: bool = True) -> str:
    """What bootstrap ends with: a canary (of a master in production), the URL, the login, and where its password lies."""
    if "master" not in roles():
        return f"Phagescan worker: scans for {_get('phagescan:worker:master_url')}"
    addresses = [ip for ip in __grains__.get("ipv4", []) if not ip.startswith("127.")] or ["127.0.0.1"]
    lines = [
        f"Phagescan Master: http://{addresses[0]}/",
        f"Log in as:        {_get('phagescan:admin:user')}",
        f"Password:         phagescan:admin:password in {CREDENTIALS}",
    ]
    if canary and _get("phagescan:mode") == "production":
        lines.insert(0, __salt__["phagescan.canary"]())
    return "\n".join(lines)


def _get(key: str) -> Any:
    return __salt__["pillar.get"](key, None, unmask=True)


def _types() -> list[str]:
    """Keys that hold something of another kind than every reader takes them for."""
    found = []
    for pattern, kinds in TYPES.items():
        for key, value in _matching(pattern):
            if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds):
                wanted = " or ".join(KINDS[kind] for kind in kinds)
                found.append(f"{key}: must be {wanted}, not {KINDS.get(type(value), type(value).__name__)}")
    return found


def _matching(pattern: str) -> list[tuple[str, Any]]:
    """Keys of the pillar that a pattern of TYPES stands for, with their values."""
    level: list[tuple[str, Any]] = [("", {name: _get(name) for name in __pillar__})]
    for part in pattern.split(":"):
        level = [
            (f"{key}:{name}".lstrip(":"), value)
            for key, table in level
            if isinstance(table, dict)
            for name, value in table.items()
            if part in ("*", name)
        ]
    return level


def _present(key: str) -> list[str]:
    return [] if _get(key) not in (None, "") else [f"{key}: is missing; see {key.split(':')[0]}.sls in pillar/"]


def _positive(*keys: str) -> list[str]:
    """Numbers that must be there, and more than nothing."""
    return [f"{key}: must be a number above 0, not {_get(key)}" for key in keys if not (_get(key) or 0) > 0]


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
        for key in ("permissions", "least"):
            for vhost, rights in (user.get(key) or {}).items():
                if vhost not in vhosts:
                    found.append(f"rabbitmq:users:{name}:{key}: vhost {vhost} is not in rabbitmq:vhosts")
                if not isinstance(rights, list) or len(rights) != 3:
                    found.append(f"rabbitmq:users:{name}:{key}:{vhost}: must be [configure, write, read]")
        if name in (_get("rabbitmq:absent:users") or []):
            found.append(f"rabbitmq:absent:users: {name} is in rabbitmq:users, too")
    for vhost in _get("rabbitmq:absent:vhosts") or []:
        if vhost in vhosts:
            found.append(f"rabbitmq:absent:vhosts: {vhost} is in rabbitmq:vhosts, too")
    shared = _get("phagescan:broker:master")
    if _get("rabbitmq:least_privilege") and shared == _get("phagescan:broker:worker"):
        found.append(f"rabbitmq:least_privilege: master and workers share {shared}; give them a user each")
    if not str(_get("gunicorn:bind")).startswith("127.0.0.1:"):
        found.append("gunicorn:bind: Django listens on loopback only; make it 127.0.0.1:<port>")
    for name, database in (_get("postgresql:databases") or {}).items():
        if database.get("owner") not in (_get("postgresql:roles") or {}):
            found.append(f"postgresql:databases:{name}:owner: {database.get('owner')} is not in postgresql:roles")
    return found


def _same() -> list[str]:
    """Keys that differ and must not; one that is missing is told of elsewhere."""
    return [
        f"{key}: must be the same as {other}, {_get(other)}, not {_get(key)}"
        for key, other in SAME
        if _get(other) not in (None, "", _get(key))
    ]


def _master_url() -> list[str]:
    key, url = "phagescan:worker:master_url", _get("phagescan:worker:master_url")
    parts = urlsplit(url if isinstance(url, str) else "")
    if parts.scheme in ("http", "https") and parts.hostname:
        return []
    return [f"{key}: must be http://<host> or https://<host>, not {url}"]


def _worker() -> list[str]:
    """Faults in what only the worker reads."""
    found = []
    if _get("phagescan:worker:user") in ("root", _get("phagescan:user")):
        found.append("phagescan:worker:user: must be a user of its own, which cannot read what is the master's")
    for key, host in (
        ("phagescan:broker:host", _get("phagescan:broker:host")),
        ("phagescan:worker:master_url", urlsplit(str(_get("phagescan:worker:master_url"))).hostname),
    ):
        try:
            socket.getaddrinfo(host or "127.0.0.1", None)  # one that is missing is told of elsewhere
        except OSError as error:
            found.append(f"{key}: {host} is not known here: {error.strerror or error}")
    return found


def _engines() -> list[str]:
    """Engines that there are not, and rules whose names would not do for files."""
    found = []
    source = (_get("phagescan:source") or "").removeprefix("salt://")
    folders = [pathlib.Path(root, source, "engines") for root in __opts__["file_roots"].get("base", [])]
    for name in _get("phagescan:engines") or {}:
        if not re.fullmatch(r"[a-z][a-z0-9_]*", str(name)):
            found.append(f"phagescan:engines:{name}: must be a lower-case name of a module in engines/")
        elif not any((folder / f"{name}.py").is_file() for folder in folders):
            found.append(f"phagescan:engines:{name}: there is no engines/{name}.py in {_get('phagescan:source')}")
    for name in _get("phagescan:engines:yara:rules") or {}:
        if not re.fullmatch(r"[A-Za-z0-9_-]+", str(name)):
            found.append(f"phagescan:engines:yara:rules:{name}: must be a name of letters, digits, _ and -")
    return found


def _host() -> list[str]:
    """What is on this host already, is not ours, and would be in the way."""
    found = []
    for folder in __opts__["pillar_roots"].get("base", []):
        path = pathlib.Path(folder, "credentials.sls")
        if path.exists() and path.stat().st_mode & 0o077:
            found.append(f"{path}: others than its owner may read it; chmod 600 {path}")
    if "master" not in roles():
        if pathlib.Path("/etc/phagescan/master.toml").exists():
            found.append(
                "phagescan:roles: master is gone, but this host has been one; what it holds is yours to keep or remove: stop it"
                " with dev/ps_services.sh stop, disable its services, and remove /etc/phagescan/master.toml"
            )
        return found
    clusters = {}
    for path in sorted(pathlib.Path("/etc/postgresql").glob("*/*/postgresql.conf")):
        match = re.search(r"^\s*port\s*=?\s*(\d+)", path.read_text(), re.MULTILINE)
        clusters["/".join(path.parts[-3:-1])] = int(match[1]) if match else 5432
    ours = f"{__salt__['postgresql_topology.version']()}/main"
    free = next(number for number in range(5432, 65536) if number not in clusters.values())
    if (_get("postgresql:port") or 5432) != clusters.get(ours, free):
        others = ", ".join(f"{cluster} on {number}" for cluster, number in clusters.items() if cluster != ours)
        found.append(
            f"postgresql:port: cluster {ours} has port {clusters.get(ours, free)}; set this key to it"
            + (f" (others here: {others})" if others else "")
        )
    if _get("phagescan:mode") == "development":
        programs = _get("supervisord:programs") or {}
        for path in sorted(pathlib.Path("/etc/supervisor/conf.d").glob("*.conf")):
            if path.stem not in programs:
                found.append(f"phagescan:mode: development would stop supervisord, which also runs {path}")
    return found


def _passwords() -> list[str]:
    """Faults of passwords; the value itself is never shown."""
    keys = [f"rabbitmq:users:{_get('phagescan:broker:worker')}:password"]
    if "master" in roles():
        keys = [f"rabbitmq:users:{name}:password" for name in _get("rabbitmq:users") or {}]
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
        elif samples_allowed and value in SAMPLES:
            continue
        elif value in SAMPLES:
            found.append(f"{key}: is the sample password; choose another")
        elif len(value) < shortest:
            found.append(f"{key}: is shorter than {shortest} characters")
        elif value.startswith("-"):
            found.append(f"{key}: starts with '-', which tools take for an option")
        elif not re.fullmatch(r"[ -~]+", value):
            found.append(f"{key}: holds a control character or one that is not ASCII")
    return found
