"""Names that are missing, that lead nowhere, or that something else takes for its own."""

import pathlib
from collections.abc import Iterator

from checks.schema import suggestion
from checks.situation import Fault, Situation

ZONES = pathlib.Path("/usr/share/zoneinfo")
ROLES = ("master", "worker")
# What only hosts of a role read; what all read is required by the schema.
REQUIRED = {
    "master": (
        *("broker:master", "database:name", "admin:user", "static_root", "log_dir"),
        *("allowed_hosts", "time_zone", "scan:sample_root", "scan:max_size", "scan:expires"),
    ),
    "worker": ("worker:user", "worker:log_dir", "worker:concurrency", "engines"),
}
REFERENCES = (
    ("phagescan:broker:master", "rabbitmq:users"),
    ("phagescan:broker:vhost", "rabbitmq:vhosts"),
    ("phagescan:database:name", "postgresql:databases"),
)
# Names that a tool takes for something else.
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
            *("gunicorn", "nginx", "postgresql", "rabbitmq-server", "supervisor", "supervisord", "epmd", "cron"),
            *("logrotate", "clamav-daemon", "clamav-freshclam", "ssh", "sshd", "docker", "dbus"),
        ),
        "it is the name of another service",
    ),
}


def required(situation: Situation) -> Iterator[Fault]:
    """What a role needs is there."""
    for role in situation.roles:
        for key in REQUIRED.get(role, ()):
            if situation.get(f"phagescan:{key}") is None:
                yield Fault(f"phagescan:{key}", "is missing; set it in pillar/local.sls, as pillar/phagescan.sls shows")
    if situation.master and situation.get("supervisord:programs:celerycam") is None:
        yield Fault(
            "supervisord:programs:celerycam", "is missing; set it in pillar/local.sls, as pillar/supervisord.sls shows"
        )


def roles(situation: Situation) -> Iterator[Fault]:
    """Roles are some that there are; those of pillar the schema checks."""
    for role in situation.roles:
        if role not in ROLES:
            yield Fault("grain roles", f"{role} is not a role; roles: {', '.join(ROLES)}")


def references(situation: Situation) -> Iterator[Fault]:
    """Names are in the tables that they refer to, and not among what is removed."""
    get = situation.get
    tables = (*(REFERENCES if situation.master else ()), ("phagescan:broker:worker", "rabbitmq:users"))
    for key, table in tables:
        if (name := get(key)) is not None and name not in get(table, ()):
            yield Fault(key, f"{name} is not in {table}", (table, f"{table}:{name}"))
    for kind in ("users", "vhosts"):
        for name in get(f"rabbitmq:absent:{kind}", ()):
            if name in get(f"rabbitmq:{kind}", ()):
                yield Fault(f"rabbitmq:absent:{kind}", f"{name} is in rabbitmq:{kind}, too; take it out of one")
    for name, database in get("postgresql:databases", {}).items():
        if (owner := database.get("owner")) not in get("postgresql:roles", {}):
            key = f"postgresql:databases:{name}:owner"
            yield Fault(key, f"{owner} is not in postgresql:roles", (f"postgresql:roles:{owner}",))


def misread(situation: Situation) -> Iterator[Fault]:
    """No name is one that a tool reads otherwise."""
    for table, names in MISREAD.items():
        for name in situation.get(table, ()):
            if name in names:
                yield Fault(f"{table}:{name}", f"cannot be its name: {names[name]}; choose another")
    for name in situation.get("postgresql:roles", ()):
        if name.startswith("pg_"):
            reason = "cannot be its name: PostgreSQL keeps pg_ for its own; choose another"
            yield Fault(f"postgresql:roles:{name}", reason)


def users(situation: Situation) -> Iterator[Fault]:
    """Nothing that reads strangers' files runs as root, and a scan worker not as a user that reads the master's."""
    get, source = situation.get, situation.source
    services = {source("gunicorn:user", "phagescan:user"): get("gunicorn:user")} if situation.master else {}
    for name, worker in situation.workers("master"):
        inherited = source("celery:user", "phagescan:user")
        services[source(f"celery:workers:{name}:user", inherited)] = worker.get("user")
    camera = "supervisord:programs:celerycam:user"
    services[source(camera, "phagescan:user")] = get(camera)
    for key, user in services.items():
        if user == "root":
            yield Fault(key, "must not be root: what runs here reads strangers' files")
    for name, worker in situation.workers("worker") if situation.worker else ():
        for word in ("user", "group"):
            if worker.get(word) in ("root", get("phagescan:user", "")):
                key = source(f"celery:workers:{name}:{word}", "phagescan:worker:user")
                yield Fault(key, f"must be a {word} of its own, which cannot read what is the master's")
                break


def celery(situation: Situation) -> Iterator[Fault]:
    """Workers are of a role that there is, and the broker can tell them apart."""
    nodes: dict[str, str] = {}
    for name, worker in situation.get("celery:workers", {}).items():
        if worker.get("role", "") not in (*ROLES, ""):
            reason = f"{worker['role']} is not a role; roles: {', '.join(ROLES)}"
            yield Fault(f"celery:workers:{name}:role", reason)
        if (other := nodes.setdefault(worker.get("hostname", name), name)) != name:
            reason = f"is that of celery:workers:{other}, too; give each node a name"
            yield Fault(f"celery:workers:{name}:hostname", reason)


def time_zone(situation: Situation) -> Iterator[Fault]:
    """Django knows the time zone, which it looks up where this does."""
    zone = situation.get("phagescan:time_zone", "UTC")
    if not situation.master:
        return
    try:
        if ZONES.joinpath(zone).read_bytes().startswith(b"TZif"):
            return
    except OSError:  # a directory, or nothing
        pass
    import zoneinfo  # noqa: PLC0415  # takes its time, and is not needed where all is well

    known = zoneinfo.available_timezones()
    if zone not in known and "Europe/Berlin" in known:  # a host without zones may get them yet
        hint = suggestion(zone, sorted(known)) or f"; see {ZONES}"
        yield Fault("phagescan:time_zone", f"{zone} is not known here{hint}")


def hosts(situation: Situation) -> Iterator[Fault]:
    """Names of sites are names of hosts: Django refuses others, and so do browsers."""
    for name, site in situation.get("nginx:sites", {}).items() if situation.master else ():
        for server in str(site.get("server_name", "_")).split():
            if "_" in server.removeprefix("_"):
                reason = f"{server} is no name of a host, as it has an underscore; choose one with - in its place"
                yield Fault(f"nginx:sites:{name}:server_name", reason)


def notes(hostname: str) -> Iterator[str]:
    """A name of this host that browsers may know and Django refuses."""
    if "_" in hostname:
        yield (
            f"host name: {hostname} has an underscore, and requests for it are refused (400): ask for this host by its"
            " address, or give it a name with - in its place (hostnamectl set-hostname NAME, and /etc/hosts)"
        )


PILLAR = (roles, required, references, misread, users, celery, hosts)
CHECKS = (*PILLAR, time_zone)
