"""What is wrong with a pillar that no schema can say: keys that do not agree, and what tools and hosts make of them."""

import functools
import ipaddress
import itertools
import re
import socket
from collections.abc import Callable, Iterable, Iterator
from typing import Any

Get = Callable[..., Any]
# The key to mend, what is wrong and what would be right, and the other keys that this speaks of.
Fault = tuple[str, str, tuple[str, ...]]

ROLES = ("master", "worker")
SAMPLES = {
    "longmasterpassword",
    "longworkerpassword",
    "sup3rdup3r",
    "adminpassword",
    "change-me-to-fifty-characters-or-more-of-random-text",
}
CREDENTIALS = "pillar/credentials.sls"
# What only hosts of a role read; what all read is required by the schema.
REQUIRED = {
    "master": (
        *("broker:master", "database:host", "database:name", "database:user", "admin:user", "static_root", "log_dir"),
        *("allowed_hosts", "time_zone", "scan:sample_root", "scan:max_size", "scan:expires"),
    ),
    "worker": ("worker:user", "worker:log_dir", "worker:concurrency", "engines"),
}
# Keys that must say the same: the formulas are told, and do not know of each other. Groups are the users' own, for which
# alone the files of settings are.
SAME = (
    ("gunicorn:user", "phagescan:user"),
    ("gunicorn:group", "phagescan:user"),
    ("gunicorn:chdir", "phagescan:root"),
    ("gunicorn:virtualenv", "phagescan:virtualenv"),
    ("gunicorn:log_dir", "phagescan:log_dir"),
    ("celery:user", "phagescan:user"),
    ("celery:group", "phagescan:user"),
    ("celery:chdir", "phagescan:root"),
    ("celery:virtualenv", "phagescan:virtualenv"),
    ("celery:log_dir", "phagescan:log_dir"),
    ("celery:workers:celeryd:user", "phagescan:worker:user"),
    ("celery:workers:celeryd:group", "phagescan:worker:user"),
    ("celery:workers:celeryd:log_dir", "phagescan:worker:log_dir"),
    ("nginx:sites:phagescan:proxy", "gunicorn:bind"),
)
REFERENCES = (
    ("phagescan:broker:master", "rabbitmq:users"),
    ("phagescan:broker:vhost", "rabbitmq:vhosts"),
    ("phagescan:database:user", "postgresql:roles"),
    ("phagescan:database:name", "postgresql:databases"),
)
# Names that somebody takes for something else.
MISREAD = {
    "rabbitmq:users": {"user": "it is the heading of `rabbitmqctl list_users`, which tools take for a user"},
    "rabbitmq:vhosts": {
        "name": "it is the heading of `rabbitmqctl list_vhosts`, which tools take for a vhost",
        "vhost": "it is the heading of `rabbitmqctl list_user_permissions`, which tools take for a vhost",
    },
    "postgresql:roles": {
        "postgres": "it is the superuser as which this host works",
        "public": "PostgreSQL means every role by it",
        "none": "PostgreSQL means no role by it",
    },
    "postgresql:databases": {
        "template0": "nothing may connect to it",
        **dict.fromkeys(
            ("all", "sameuser", "samerole", "samegroup", "replication"), "pg_hba.conf means something else by it"
        ),
    },
    "nginx:sites": {"default": "it is Debian's own, which is removed"},
    "supervisord:programs": {"all": "supervisorctl means every program by it"},
    "celery:workers": dict.fromkeys(
        (
            *(
                "gunicorn",
                "nginx",
                "postgresql",
                "rabbitmq-server",
                "supervisor",
                "supervisord",
                "epmd",
                "cron",
                "logrotate",
            ),
            *("clamav-daemon", "clamav-freshclam", "ssh", "sshd", "docker", "dbus"),
        ),
        "it is the name of another service",
    ),
}
# Emptied of what is not the application's, and what it keeps.
CLEANED = ("phagescan:root", "phagescan:virtualenv", "phagescan:static_root")
KEPT = ("phagescan:log_dir", "phagescan:scan:sample_root", "phagescan:worker:log_dir")
# Directories that are others', whole or the one itself.
OTHERS = re.compile(
    r"(/(bin|boot|dev|etc|lib\w*|proc|root|run|sbin|sys|tmp)|/var/(lib|log)/(apt|clamav|dpkg|postgresql|rabbitmq|systemd))(/.*)?"
    r"|/[^/]+|/home/[^/]+|/var/[^/]+|/usr/local/(bin|etc|include|lib|man|sbin|share|src)|/usr/(?!local/).*"
)
# Permissions that need no compiler to be known as good; a thousand users have thousands.
PLAIN = re.compile(r"(?:[\w^$@%/ -]|\\[.$^*+?|()\[\]{}-]|\.[*+?]?)*")
LOOPBACK = ("127.0.0.1", "localhost")
EVERYWHERE = {"0.0.0.0", "::", "*", ""}  # noqa: S104
SIZES = {"k": 1 << 10, "m": 1 << 20, "g": 1 << 30}


def faults(pillar: dict[str, Any], roles: list[str], checkout: list[str]) -> list[Fault]:
    """All of them, for a host of these roles; `pillar` is without what its schemas refuse."""
    get = functools.partial(_get, pillar)
    checks: list[Iterable[Fault]] = [
        _required(get, roles),
        _references(get, roles),
        _names(get),
        _celery(get),
        _paths(get, checkout),
        _same(get),
    ]
    if "master" in roles:
        checks += [_rights(get), _ports(get, pillar), _database(get), _sites(get), _limits(get), _tls_of_master(get)]
    if "worker" in roles:
        checks.append(_way_to_master(get, roles))
    if "worker" in roles and get("phagescan:worker:user") in ("root", get("phagescan:user", "")):
        checks.append(
            [("phagescan:worker:user", "must be a user of its own, which cannot read what is the master's", ())]
        )
    return [fault for check in [*checks, _passwords(get, roles)] for fault in check]


def ports(pillar: dict[str, Any]) -> list[tuple[str, str, int]]:
    """What a master's services listen on: the key, or whose it is, the address, and the port."""
    get = functools.partial(_get, pillar)
    listen, sites = get("rabbitmq:listen", "127.0.0.1"), get("nginx:sites", {})
    https = [
        ("HTTPS of nginx", _split(site["listen"])[0], 443) for site in sites.values() if _tls(get) and "listen" in site
    ]
    amqps = [("rabbitmq:tls_port", listen, get("rabbitmq:tls_port", 5671))] if _amqps(get) else []
    return [
        ("Erlang's epmd", "127.0.0.1", 4369),
        ("RabbitMQ's distribution", "127.0.0.1", 25672),
        *https[:1],
        ("rabbitmq:port", "127.0.0.1" if amqps else listen, get("rabbitmq:port", 5672)),
        *amqps,
        ("postgresql:port", "127.0.0.1", get("postgresql:port", 5432)),
        ("gunicorn:bind", *_split(get("gunicorn:bind", "127.0.0.1:9000"))),
        *((f"nginx:sites:{name}:listen", *_split(site["listen"])) for name, site in sites.items() if "listen" in site),
    ]


def amqps(pillar: dict[str, Any]) -> bool:
    """Whether a master's broker is to speak AMQPS."""
    return _amqps(functools.partial(_get, pillar))


def _get(pillar: dict[str, Any], key: str, default: Any = None) -> Any:
    value: Any = pillar
    for part in key.split(":"):
        if not isinstance(value, dict) or part not in value:
            return default
        value = value[part]
    return value


def _required(get: Get, roles: list[str]) -> Iterator[Fault]:
    for role in roles:
        for key in REQUIRED.get(role, ()):
            if get(f"phagescan:{key}") is None:
                yield f"phagescan:{key}", "is missing; see phagescan.sls in pillar/", ()
    if "master" in roles and get("supervisord:programs:celerycam") is None:
        yield "supervisord:programs:celerycam", "is missing; see supervisord.sls in pillar/", ()


def _references(get: Get, roles: list[str]) -> Iterator[Fault]:
    """Names of what there is not, or is to be removed."""
    for key, table in (*(REFERENCES if "master" in roles else ()), ("phagescan:broker:worker", "rabbitmq:users")):
        if (name := get(key)) is not None and name not in get(table, ()):
            yield key, f"{name} is not in {table}", (table, f"{table}:{name}")
    for kind in ("users", "vhosts"):
        for name in get(f"rabbitmq:absent:{kind}", ()):
            if name in get(f"rabbitmq:{kind}", ()):
                yield f"rabbitmq:absent:{kind}", f"{name} is in rabbitmq:{kind}, too; take it out of one", ()
    for name, database in get("postgresql:databases", {}).items():
        if (owner := database.get("owner")) not in get("postgresql:roles", {}):
            yield (
                f"postgresql:databases:{name}:owner",
                f"{owner} is not in postgresql:roles",
                (f"postgresql:roles:{owner}",),
            )
    shared = get("phagescan:broker:master")
    if get("rabbitmq:least_privilege") and shared == get("phagescan:broker:worker"):
        yield "rabbitmq:least_privilege", f"master and workers share {shared}; give them a user each", ()


def _rights(get: Get) -> Iterator[Fault]:
    """What users may, and policies: of vhosts that there are, in regular expressions that are some."""
    vhosts, vhost, good = get("rabbitmq:vhosts", ()), get("phagescan:broker:vhost"), set()
    for name, user in get("rabbitmq:users", {}).items():
        for kind in ("permissions", "least"):
            for where, rights in user.get(kind, {}).items():
                key = f"rabbitmq:users:{name}:{kind}"
                if where not in vhosts:
                    yield key, f"vhost {where} is not in rabbitmq:vhosts", ("rabbitmq:vhosts",)
                for right, word in zip(rights, ("configure", "write", "read"), strict=False):
                    if right not in good and (wrong := _expression(right)):
                        yield f"{key}:{where}", f"{word} is no regular expression: {wrong}", ()
                    good.add(right)
    for login in dict.fromkeys((get("phagescan:broker:master"), get("phagescan:broker:worker"))):
        user, key = get(f"rabbitmq:users:{login}"), f"rabbitmq:users:{login}:permissions"
        if user is not None and vhost in vhosts and vhost not in user.get("permissions", {}):
            yield key, f"vhost {vhost} is missing, where phagescan:broker logs in", (f"{key}:{vhost}",)
    for where, policies in get("rabbitmq:policies", {}).items():
        if where not in vhosts:
            yield f"rabbitmq:policies:{where}", "is not in rabbitmq:vhosts", ("rabbitmq:vhosts",)
        for name, policy in policies.items():
            if wrong := _expression(policy.get("pattern", "")):
                yield f"rabbitmq:policies:{where}:{name}:pattern", f"is no regular expression: {wrong}", ()


def _expression(text: str) -> str:
    """What is wrong with a regular expression; RabbitMQ's PCRE knows some that Python does not."""
    if not PLAIN.fullmatch(text):
        try:
            re.compile(text)
        except re.error as error:
            return "" if re.match("bad escape|unknown extension", str(error)) else str(error)
    return ""


def _names(get: Get) -> Iterator[Fault]:
    """Names that are read otherwise than they are meant."""
    for table, names in MISREAD.items():
        for name in get(table, ()):
            if name in names:
                yield f"{table}:{name}", f"cannot be its name: {names[name]}; choose another", ()
    for name in get("postgresql:roles", ()):
        if name.startswith("pg_"):
            yield f"postgresql:roles:{name}", "cannot be its name: PostgreSQL keeps pg_ for its own; choose another", ()
    for user in ("phagescan:user", "supervisord:programs:celerycam:user"):
        if get(user) == "root":
            yield user, "must not be root: what runs here reads strangers' files", ()


def _celery(get: Get) -> Iterator[Fault]:
    """Workers that no host would have, or that the broker could not tell apart."""
    workers = get("celery:workers", {})
    nodes: dict[str, str] = {}
    for name, worker in workers.items():
        if worker.get("role", "") not in (*ROLES, ""):
            yield f"celery:workers:{name}:role", f"{worker['role']} is not a role; roles: {', '.join(ROLES)}", ()
        if (other := nodes.setdefault(worker.get("hostname", name), name)) != name:
            yield (
                f"celery:workers:{name}:hostname",
                f"is that of celery:workers:{other}, too; give each node a name",
                (),
            )
    if any(worker.get("role") for worker in workers.values()) and get("celery:roles") != "phagescan.roles":
        yield "celery:roles", "must be phagescan.roles, which knows the roles of celery:workers", ()
    for formula in ("gunicorn", "celery", "supervisord"):
        if get(f"{formula}:mode_key", "") not in ("", "phagescan:mode"):
            yield f"{formula}:mode_key", f"must be phagescan:mode, not {get(f'{formula}:mode_key')}", ()


def _paths(get: Get, checkout: list[str]) -> Iterator[Fault]:
    """Directories that would be emptied, taken from others, or shown to everybody."""
    paths = {key: path for key in (*CLEANED, *KEPT) if (path := get(key))}
    for key, path in paths.items():
        if OTHERS.fullmatch(path):
            yield key, f"must be a directory of its own, such as /opt/phagescan, not {path}", ()
        for other in CLEANED:
            if other != key and other in paths and _within(path, paths[other]):
                yield (
                    key,
                    f"must not lie in {other}, {paths[other]}, where what is not the application's is removed",
                    (other,),
                )
        for folder in checkout if key in CLEANED else ():
            if _within(folder, path):
                yield key, f"must not hold this checkout, {folder}, for what is not the application's is removed", ()
    secret = [*(paths[key] for key in KEPT if key in paths), "/etc/phagescan", *checkout]
    for site, settings in get("nginx:sites", {}).items():
        for location, folder in settings.get("static", {}).items():
            for path in secret:
                if _within(path, folder.rstrip("/") or "/"):
                    yield (
                        f"nginx:sites:{site}:static:{location}",
                        f"must not show {path}, which is nobody's to read",
                        (),
                    )


def _within(path: str, folder: str) -> bool:
    return path == folder or path.startswith(folder.rstrip("/") + "/")


def _same(get: Get) -> Iterator[Fault]:
    """Keys that differ and must not; one that is missing is told of elsewhere."""
    for key, other in SAME:
        if get(other) not in (None, get(key)):
            yield key, f"must be the same as {other}, {get(other)}, not {get(key)}", (other,)
    for (name, worker), word in itertools.product(get("celery:workers", {}).items(), ("user", "group")):
        if worker.get("role") == "master" and worker.get(word, "") not in ("", user := get("phagescan:user")):
            key = f"celery:workers:{name}:{word}"
            yield (
                key,
                f"must be the same as phagescan:user, {user}, not {worker[word]}; leave it out",
                ("phagescan:user",),
            )
    camera, virtualenv = get("supervisord:programs:celerycam", {}), get("phagescan:virtualenv")
    for word, other in (("user", "user"), ("directory", "root")):
        if camera and camera.get(word) != get(f"phagescan:{other}", camera.get(word)):
            yield (
                f"supervisord:programs:celerycam:{word}",
                f"must be the same as phagescan:{other}, {get(f'phagescan:{other}')}, not {camera.get(word)}",
                (f"phagescan:{other}",),
            )
    if virtualenv and "command" in camera and not camera["command"].startswith(f"{virtualenv}/bin/"):
        yield (
            "supervisord:programs:celerycam:command",
            f"must begin with {virtualenv}/bin/, of phagescan:virtualenv",
            (),
        )
    served, root = get("nginx:sites:phagescan:static:/static/"), get("phagescan:static_root")
    if served and root and served != f"{root}/":
        yield "nginx:sites:phagescan:static:/static/", f"must be {root}/, of phagescan:static_root, not {served}", ()


def _ports(get: Get, pillar: dict[str, Any]) -> Iterator[Fault]:
    """Two services on one port, and ports that there are not."""
    listen, taken = get("rabbitmq:listen", "127.0.0.1"), ports(pillar)
    for key, _address, port in taken:
        if not 0 < port < 65536:
            yield key, f"has no port from 1 to 65535, but {port}", ()
    for (first, address, port), (second, other, same) in itertools.combinations(taken, 2):
        both_nginx = first.startswith("nginx:") and second.startswith("nginx:")
        if port == same and not both_nginx and (address == other or {address, other} & EVERYWHERE):
            yield second, f"port {port} is that of {first}; choose another", (first,)
    try:
        socket.inet_pton(socket.AF_INET6 if ":" in listen else socket.AF_INET, listen)
    except OSError:
        yield "rabbitmq:listen", f"must be an IP address, not {listen}", ()
        listen = ""
    bind, host = get("gunicorn:bind"), get("phagescan:broker:host")
    if not (bind or "").startswith("127.0.0.1:"):
        yield "gunicorn:bind", "Django listens on loopback only; make it 127.0.0.1:<port>", ()
    if host and not _amqps(get) and listen not in EVERYWHERE and _meant(host) not in (None, _meant(listen)):
        yield (
            "phagescan:broker:host",
            f"the broker does not listen there, but on {listen} (rabbitmq:listen)",
            ("rabbitmq:listen",),
        )


def _meant(host: str) -> Any:
    """The address that a host has; None for a name, which may have any."""
    try:
        return ipaddress.ip_address("127.0.0.1" if host in LOOPBACK else host)
    except ValueError:
        return None


def _database(get: Get) -> Iterator[Fault]:
    """A database elsewhere, while roles and tables are made here."""
    if (host := get("phagescan:database:host", "127.0.0.1")) not in (*LOOPBACK, "::1"):
        yield "phagescan:database:host", f"must be 127.0.0.1, where a master's database is made, not {host}", ()


def _split(listen: Any) -> tuple[str, int]:
    """Address and port of `address:port`, or of a port alone."""
    address, _, port = str(listen).removesuffix(" default_server").rpartition(":")
    return address.strip("[]").replace("localhost", "127.0.0.1"), int(port)


def _sites(get: Get) -> Iterator[Fault]:
    """Sites of which nginx would ignore one."""
    known: dict[Any, str] = {}
    for name, site in get("nginx:sites", {}).items():
        for server in str(site.get("server_name", name)).split():
            listen = _split(site["listen"])[0] if _tls(get) and "listen" in site else str(site.get("listen"))
            other = known.setdefault((listen, server), name)
            if other != name:
                yield (
                    f"nginx:sites:{name}:server_name",
                    f"{server} is that of nginx:sites:{other}, on the same port",
                    (),
                )


def _tls(get: Get) -> bool:
    return any(get("phagescan:tls", {}).values())


def _amqps(get: Get) -> bool:
    listen = get("rabbitmq:listen", "127.0.0.1")
    return _tls(get) and not (listen.startswith("127.") or listen == "::1")


def _tls_of_master(get: Get) -> Iterator[Fault]:
    """Certificates given by halves or twice, and who is not told of them."""
    given = get("phagescan:tls", {})
    for key, other in (("key", "certificate"), ("certificate", "key")):
        if other in given and key not in given:
            yield (
                f"phagescan:tls:{key}",
                f"is missing; it belongs to phagescan:tls:{other}",
                (f"phagescan:tls:{other}",),
            )
    if given.get("self_signed") and {"certificate", "key"} & given.keys():
        yield "phagescan:tls:self_signed", "stands beside a certificate or key of yours; take out one or the other", ()
    for formula in ("nginx", "rabbitmq"):
        told = get(f"{formula}:tls", "")
        if told != "phagescan.tls" and (told or _tls(get)):
            yield f"{formula}:tls", f"must be phagescan.tls, which knows of phagescan:tls, not {told or 'missing'}", ()
    if get("phagescan:broker:tls"):
        yield (
            "phagescan:broker:tls",
            "is for workers on other hosts: a master reaches its broker on 127.0.0.1; take it out",
            (),
        )
    host = get("phagescan:broker:host", "127.0.0.1")
    if _amqps(get) and host not in LOOPBACK:
        yield "phagescan:broker:host", f"must be 127.0.0.1: with phagescan:tls AMQP is there, and AMQPS on {host}", ()


def _way_to_master(get: Get, roles: list[str]) -> Iterator[Fault]:
    """A scan worker's way to the master's pages: where somebody listens, and not where it would only be redirected."""
    key, url = "phagescan:worker:master_url", get("phagescan:worker:master_url", "")
    if not (parts := re.fullmatch(r"(?:(https?)://(\[.*\]|[^:/]*)(?::(\d+))?.*)?", url)):
        return  # no URL: the schema's check reports that
    scheme, host, port = parts.groups()
    bind = get("gunicorn:bind", "127.0.0.1:9000")
    others = ("gunicorn:bind", "nginx:sites")
    if port and not 0 < int(port) < 65536:
        yield key, f"has no port from 1 to 65535, but {port}", ()
    elif "master" not in roles:
        if scheme == "http" and get("phagescan:broker:tls"):
            yield (
                key,
                "must begin with https://: where the broker speaks TLS (phagescan:broker:tls), the master does",
                (),
            )
    elif scheme == "http" and int(port or 80) != _split(bind)[1]:
        sites = [_split(site["listen"])[1] for site in get("nginx:sites", {}).values() if "listen" in site]
        if host in LOOPBACK and int(port or 80) not in sites:
            yield key, f"nothing listens there; make it http://{bind}, of gunicorn:bind", others
        elif _tls(get):
            yield key, f"would only be redirected, with phagescan:tls; make it http://{bind}, of gunicorn:bind", others


def _limits(get: Get) -> Iterator[Fault]:
    """Numbers of which one must leave room for another."""
    largest, taken = get("phagescan:scan:max_size"), get("nginx:sites:phagescan:client_max_body_size")
    size = re.fullmatch(r"(\d+)(\D?)", str(taken))  # the schema's check reports any other
    if largest and size and taken not in (0, "0"):
        number, unit = size.groups()
        if int(number) * SIZES.get(unit.lower(), 1) < largest << 20:
            key = "nginx:sites:phagescan:client_max_body_size"
            yield (
                key,
                f"must let phagescan:scan:max_size through, {largest} MiB, and is {taken}; make it {largest + 1}m",
                (),
            )
    expires, patience = get("phagescan:scan:expires"), get("rabbitmq:consumer_timeout", 3600000)
    for name, engine in get("phagescan:engines", {}).items():
        key, seconds = f"phagescan:engines:{name}:timeout", engine.get("timeout", 60)
        if expires and seconds > expires:
            yield key, f"must not be above phagescan:scan:expires, {expires}, and is {seconds}", ()
        if seconds * 1000 >= patience:
            yield key, f"must be below rabbitmq:consumer_timeout, {patience} ms, and is {seconds} s", ()


def _passwords(get: Get, roles: list[str]) -> Iterator[Fault]:
    """Faults of passwords, without their values. Any character of ASCII will do: who builds a URL of one quotes it."""
    logins = [("rabbitmq:users", get("phagescan:broker:worker"))]
    if "master" in roles:
        logins = [(table, name) for table in ("rabbitmq:users", "postgresql:roles") for name in get(table, {})]
    given = [
        (f"{table}:{name}:password", get(table, {}).get(name, {}).get("password"), 12) for table, name in logins if name
    ]
    if "master" in roles:
        given.append(("phagescan:admin:password", get("phagescan:admin:password"), 12))
        given.append(("phagescan:secret_key", get("phagescan:secret_key"), 50))
    samples_allowed = get("phagescan:allow_sample_passwords")
    for key, value, shortest in given:
        if not value:
            yield key, f"is missing; it stands in {CREDENTIALS}", ()
        elif value in SAMPLES:
            if not samples_allowed:
                yield key, "is the sample password; choose another", ()
        elif len(value) < shortest:
            yield key, f"is shorter than {shortest} characters; choose a longer one", ()
        elif value.startswith("-"):
            yield key, "starts with '-', which tools take for an option; choose another", ()
        elif not (value.isascii() and value.isprintable()):
            yield key, "holds a control character or one that is not ASCII; choose another", ()
