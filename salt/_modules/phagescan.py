"""Phagescan on this host, for the operator: `salt-call --local phagescan.<function>`."""

import copy
import json
import os
import pathlib
import re
import socket
import tomllib
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlsplit

from salt.exceptions import CommandExecutionError

# Set by Salt's loader.
__context__: dict[str, Any]
__grains__: dict[str, Any]
__opts__: dict[str, Any]
__pillar__: dict[str, Any]
__salt__: dict[str, Callable[..., Any]]
__utils__: dict[str, Callable[..., Any]]

__outputter__ = {"status": "parts", "version": "parts"}

Fault = tuple[str, str, tuple[str, ...]]

RELEASES = ("Debian-13", "Debian-12", "Ubuntu-24.04")
ROLES = ("master", "worker")
CREDENTIALS = "pillar/credentials.sls"
SELF_SIGNED = "/etc/phagescan/tls"
ZONES = pathlib.Path("/usr/share/zoneinfo")
# Of a file that holds nothing but ciphertext.
ENCRYPTED = re.compile(r"#!gpg\|yaml\s+-----BEGIN PGP MESSAGE-----[\w\s+/=]+-----END PGP MESSAGE-----\s*")
# Where the schema of each namespace stands.
SCHEMAS = {
    "phagescan": "application",
    **{name: name for name in ("rabbitmq", "postgresql", "nginx", "gunicorn", "celery", "supervisord")},
}


def roles() -> list[str]:
    """Roles of this host: pillar `phagescan:roles`, else the grain `roles`, else all there are."""
    given = _get("phagescan:roles") or __salt__["grains.get"]("roles") or ROLES
    return [given] if isinstance(given, str) else list(given)


def faults(host: bool = True, thorough: bool = False) -> list[str]:
    """What keeps this pillar from being applied to this host, one line each: key, reason, what would be right.

    Without `host` only what is wrong with the pillar itself. `thorough` asks the archive, too, which a run does only when
    packages are missing.
    """
    release = __grains__.get("osfinger")
    if __grains__.get("os_family") != "Debian" or release not in RELEASES:
        return [f"grain osfinger: {release} ({__grains__.get('os_family')}) is not known; known: {', '.join(RELEASES)}"]
    if "_errors" in __pillar__:  # all else would be for want of what could not be read
        return [
            f"pillar: {str(error).partition(' Please see')[0]} See what stands above."
            for error in __pillar__["_errors"]
        ]
    found, pillar, told = _schemas()
    ours = list(ROLES) if _told("phagescan:roles", told) else roles()
    found += [f"grain roles: {role} is not a role; roles: {', '.join(ROLES)}" for role in ours if role not in ROLES]
    checkout = [*__opts__["file_roots"]["base"], *__opts__["pillar_roots"]["base"]]
    more = [*__utils__["pillar_faults.faults"](pillar, ours, checkout)]
    if host:
        more += [*_source(pillar, ours), *_host(pillar, ours), *_preflight(pillar, ours, checkout, thorough)]
    # What is only for want of what is told already is not told.
    return found + [
        f"{key}: {reason}" for key, reason, others in more if not any(_told(name, told) for name in (key, *others))
    ]


def allowed_hosts() -> list[str]:
    """Names that Django answers for: pillar `phagescan:allowed_hosts`, and the one by which workers fetch samples."""
    fetched = urlsplit(_get("phagescan:worker:master_url")).hostname
    return list(dict.fromkeys([*_get("phagescan:allowed_hosts"), f"[{fetched}]" if ":" in fetched else fetched]))


def tls() -> dict[str, str]:
    """Files of this master's certificate and key: pillar `phagescan:tls`; nothing without TLS."""
    given = _get("phagescan:tls") or {}
    if given.get("self_signed"):
        return {"certificate": f"{SELF_SIGNED}/certificate.pem", "key": f"{SELF_SIGNED}/key.pem"}
    return {name: given[name] for name in ("certificate", "key") if name in given}


def peers(role: str) -> list[str]:
    """Addresses that services of a role talk to: the broker, the master or its database; name servers where one has a name."""
    addresses: set[str] = set()
    named = False
    if role == "master":
        hosts = {_get("phagescan:broker:host"), _get("phagescan:database:host"), "127.0.0.1"}  # where nginx comes from
    else:
        hosts = {_get("phagescan:broker:host"), urlsplit(_get("phagescan:worker:master_url")).hostname}
    for host in hosts:
        found = {str(info[4][0]) for info in socket.getaddrinfo(host, None)}
        named = named or found != {host}
        addresses |= found
    resolvers = pathlib.Path("/etc/resolv.conf")
    if named and resolvers.exists():
        addresses |= set(re.findall(r"^nameserver\s+(\S+)", resolvers.read_text(), re.MULTILINE))
    return sorted(addresses)


def logins(path: str) -> dict[str, dict[str, Any]]:
    """Logins that a settings file of the application holds: tables `broker` and `database`; none where there is no file."""
    try:
        settings = tomllib.loads(pathlib.Path(path).read_text())
    except (OSError, ValueError):
        return {}
    found = {kind: settings[kind] for kind in ("broker", "database") if isinstance(settings.get(kind), dict)}
    if "ca_certs" in settings and "broker" in found:
        found["broker"]["ca_certs"] = settings["ca_certs"]
    return found


def login(tried: list[tuple[str, dict[str, Any]]], user: str) -> list[str]:
    """Try logins (kind and table, as `logins` has them) over the network, as the application does, and as its `user`.

    Returns what the servers said against each: `refused: ...`, another trouble, or "" where it was let in.
    """
    site = __utils__["health.site"](_get("phagescan"))
    done = __salt__["django_site.python"](site, "-m", "scaggr.login", user=user, stdin=json.dumps(tried))
    if done.returncode:
        raise CommandExecutionError(f"python -m scaggr.login: {' '.join(done.stderr.split())[-500:]}")
    return json.loads(done.stdout)


def doctor() -> str:
    """Check pillar and host without changing anything; exits non-zero with every fault, a line each.

    Notes come after the faults: what does not stop a run, and is to be known.
    """
    found, told = faults(thorough=True), [f"Note: {note}" for note in _notes()]
    if found:
        raise CommandExecutionError("\n".join([*found, *told]))
    return "\n".join(["No faults in pillar or host.", *told])


def version() -> dict[str, str]:
    """Version of this `tree`, its `revision` where it is a clone, and the version that the `host` was last converged with."""
    return __utils__["release.known"](checkout())


def checkout() -> str:
    """Where this tree is."""
    return os.path.dirname(__opts__["file_roots"]["base"][0])


def canary() -> str:
    """Send a task through broker, master worker, result collector, database and camera, and say what each hop took.

    Exits non-zero with the hop that is broken.
    """
    try:
        return __salt__["django_site.manage"](__utils__["health.site"](_get("phagescan") or {}), "canary").strip()
    except CommandExecutionError as error:
        raise CommandExecutionError(str(error).removeprefix("manage.py canary: ")) from None
    except (OSError, LookupError) as error:
        raise CommandExecutionError(f"canary failed: Phagescan is not installed here ({error})") from None


def status() -> dict[str, dict[str, Any]]:
    """Each part of this host by what it does: `ok` (null: it cannot be known), what is `said`, the last lines of its `log`.

    Exits non-zero when a part is broken. Starts and changes nothing.
    """
    if found := faults(host=False):
        parts = {
            "pillar": {"ok": False, "said": "has faults; mend them first, nothing else was looked at", "log": found}
        }
    else:
        pillar = {name: _get(name) for name in SCHEMAS}
        asked = (__salt__["django_site.python"], __salt__["daemon.status"], __utils__["startup.spared"])
        parts = __utils__["health.parts"](pillar, roles(), *asked, tls().get("certificate"))
    if any(part["ok"] is False for part in parts.values()):
        __context__["retcode"] = 1
    return parts


def arrival(canary: bool = True) -> str:
    """What bootstrap ends with: a canary (of a master in production), the URL, the login, and where its password lies."""
    if "master" not in roles():
        return f"Phagescan worker: scans for {_get('phagescan:worker:master_url')}"
    addresses = [ip for ip in __grains__.get("ipv4", []) if not ip.startswith("127.")] or ["127.0.0.1"]
    lines = [
        f"Phagescan Master: {'https' if tls() else 'http'}://{addresses[0]}/",
        f"Log in as:        {_get('phagescan:admin:user')}",
        f"Password:         phagescan:admin:password in {CREDENTIALS}",
    ]
    if canary and _get("phagescan:mode") == "production":
        lines.insert(0, __salt__["phagescan.canary"]())
    return "\n".join(lines)


def _preflight(pillar: dict[str, Any], ours: list[str], checkout: list[str], thorough: bool) -> Iterator[Fault]:
    """What the host lacks, or has, whatever pillar says."""
    yield from __utils__["preflight.faults"](pillar, ours, __utils__["pillar_faults.ports"](pillar), checkout, thorough)
    if "master" in ours and __salt__["rabbitmq_upgrade.stuck"]():
        steps = "; ".join(__salt__["rabbitmq_upgrade.steps"]())
        yield "rabbitmq", f"version 4 does not start on the database of version 3 that is here; go on so: {steps}", ()


def _notes() -> list[str]:
    """What does not stop a run, and is to be known."""
    lines, master = list(__utils__["preflight.notes"]()), "master" in roles()
    # A broker that does not start keeps its package from being configured; that is a fault, and tells how to go on.
    stuck = master and __salt__["rabbitmq_upgrade.stuck"]()
    if __utils__["dpkg.interrupted"]() and not stuck:
        lines.append("dpkg: a run was interrupted; the next highstate completes it")
    if master and __salt__["rabbitmq_upgrade.version"]() and __salt__["rabbitmq_upgrade.blocked"]():
        steps = [
            "service nginx stop  # until the last step no new file is taken",
            *__salt__["rabbitmq_upgrade.steps"](),
        ]
        lines.append(
            f"rabbitmq: {__salt__['rabbitmq_upgrade.version']()} is kept from version 4, which does not start on its database."
            " Once apt has version 4 (Debian 13), go on so:" + "".join(f"\n  {step}" for step in steps)
        )
    return lines


def _get(key: str) -> Any:
    return __salt__["pillar.get"](key, None, unmask=True)


def _schemas() -> tuple[list[str], dict[str, Any], set[str]]:
    """What the schemas refuse, a line each; the pillar without it; and the keys that this took away."""
    pillar = {name: _get(name) if name in __pillar__ else {} for name in SCHEMAS}
    lines, told = [], set()
    for name in __pillar__:
        if name not in SCHEMAS and (near := __utils__["schema.nearest"](name, SCHEMAS)):
            lines.append(f"{name}: is not a key{near}")
    for name, folder in SCHEMAS.items():
        paths = [pathlib.Path(root, folder, "schema.json") for root in __opts__["file_roots"]["base"]]
        schema = json.loads(next((path for path in paths if path.exists()), paths[0]).read_text())
        if found := __utils__["schema.faults"](pillar[name], schema, (name,)):
            pillar[name] = copy.deepcopy(pillar[name])
            for path, reason in found:
                lines.append(f"{__utils__['schema.key'](path)}: {reason}")
                told.add(__utils__["schema.key"](_drop(pillar, path)))
    return lines, pillar, told


def _drop(pillar: Any, path: tuple[Any, ...]) -> tuple[Any, ...]:
    """Take out what stands at a path, or the list that it stands in, and say where that was."""
    for depth, part in enumerate(path[:-1]):
        if not isinstance(pillar.get(part), dict):
            path = path[: depth + 1]
            break
        pillar = pillar[part]
    pillar.pop(path[-1], None)
    return path


def _told(key: str, told: set[str]) -> bool:
    parts = key.split(":")
    return any(":".join(parts[:end]) in told for end in range(1, len(parts) + 1))


def _source(pillar: dict[str, Any], ours: list[str]) -> Iterator[Fault]:
    """Code, engines and modules that there are not."""
    phagescan = pillar.get("phagescan", {})
    if not (source := phagescan.get("source")):
        return
    folders = [pathlib.Path(root, source.removeprefix("salt://")) for root in __opts__["file_roots"]["base"]]
    if not any(folder.is_dir() for folder in folders):
        yield "phagescan:source", f"there is no {source} in this checkout", ()
        return
    modules: dict[str, str] = {}
    if "worker" in ours:
        modules |= {f"phagescan:engines:{name}": f"engines.{name}" for name in phagescan.get("engines") or ()}
    if "master" in ours:
        application = pillar.get("gunicorn", {}).get("application", "app.wsgi")
        modules["gunicorn:application"] = application.partition(":")[0]
    for name, worker in pillar.get("celery", {}).get("workers", {}).items():
        elsewhere = "chdir" in worker and worker["chdir"] != phagescan.get("root")
        if worker.get("role", "") in ("", *ours) and "config" in worker and not elsewhere:
            modules[f"celery:workers:{name}:config"] = worker["config"]
    for key, module in modules.items():
        path = module.replace(".", "/")
        if not any((folder / f"{path}{end}").is_file() for folder in folders for end in (".py", "/__init__.py")):
            yield key, f"there is no {path}.py in {source}", ()


def _host(pillar: dict[str, Any], ours: list[str]) -> Iterator[Fault]:
    """What is on this host already, is not ours, and would be in the way; and hosts and zones that are not known here."""
    phagescan = pillar.get("phagescan", {})
    credentials = [pathlib.Path(folder, "credentials.sls") for folder in __opts__["pillar_roots"]["base"]]
    for path in [*credentials, pathlib.Path(__opts__["gpg_keydir"])]:
        if (
            path.exists()
            and path.stat().st_mode & 0o077
            and not (path.is_file() and ENCRYPTED.fullmatch(path.read_text()))
        ):
            yield str(path), f"others than its owner may read it; chmod go= {path}", ()
    yield from _emptied(phagescan)
    yield from _unknown_hosts(phagescan, ours)
    yield from _certificates(phagescan, ours)
    if "master" in ours:
        yield from _unknown_zone(phagescan)
        yield from _clusters(pillar)
        yield from _broker(pillar)
    elif pathlib.Path("/etc/phagescan/master.toml").exists():
        yield (
            "phagescan:roles",
            "master is gone, but this host has been one; what it holds is yours to keep or remove: stop it"
            " with dev/ps_services.sh stop, disable its services, and remove /etc/phagescan/master.toml",
            (),
        )
    if "master" in ours and phagescan.get("mode") == "development":
        programs = pillar.get("supervisord", {}).get("programs", {})
        for path in sorted(pathlib.Path("/etc/supervisor/conf.d").glob("*.conf")):
            if path.stem not in programs:
                yield (
                    "phagescan:mode",
                    f"development would stop supervisord, which also runs {path}",
                    ("supervisord:programs",),
                )


def _emptied(phagescan: dict[str, Any]) -> Iterator[Fault]:
    """Directories that hold something of others, which would be removed."""
    root, virtualenv = phagescan.get("root"), phagescan.get("virtualenv")
    source = phagescan.get("source", "").removeprefix("salt://")
    sources = [pathlib.Path(folder, source) for folder in __opts__["file_roots"]["base"]]
    ours = {".profile", "dev", *(path.name for folder in sources if folder.is_dir() for path in folder.iterdir())}
    venv = {"bin", "etc", "include", "lib", "lib64", "share", ".gitignore", ".synchronised"}
    for key, folder, mark, known in (("root", root, "manage.py", ours), ("virtualenv", virtualenv, "pyvenv.cfg", venv)):
        there = pathlib.Path(folder) if folder else None
        strange = {path.name for path in there.iterdir()} - known if there and there.is_dir() else set()
        if there and strange and not (there / mark).exists():
            yield f"phagescan:{key}", f"{folder} holds {min(strange)}, which is not ours: choose another directory", ()


def _unknown_hosts(phagescan: dict[str, Any], ours: list[str]) -> Iterator[Fault]:
    hosts = {"phagescan:broker:host": phagescan.get("broker", {}).get("host")}
    if "worker" in ours:
        hosts["phagescan:worker:master_url"] = urlsplit(phagescan.get("worker", {}).get("master_url", "")).hostname
    for key, host in hosts.items():
        try:
            socket.getaddrinfo(host or "127.0.0.1", None)  # one that is missing is told of elsewhere
        except (OSError, UnicodeError) as error:
            yield key, f"{host} is not known here: {getattr(error, 'strerror', None) or error}", ()


def _unknown_zone(phagescan: dict[str, Any]) -> Iterator[Fault]:
    """A time zone that Django would refuse, as it looks where this does."""
    zone = phagescan.get("time_zone", "UTC")
    try:
        if ZONES.joinpath(zone).read_bytes().startswith(b"TZif"):
            return
    except OSError:  # a directory, or nothing
        pass
    import zoneinfo  # noqa: PLC0415  # takes its time, and is not needed where all is well

    known = zoneinfo.available_timezones()
    if zone not in known and "Europe/Berlin" in known:  # a host without zones may get them yet
        near = __utils__["schema.nearest"](zone, sorted(known)) or f"; see {ZONES}"
        yield "phagescan:time_zone", f"{zone} is not known here{near}", ()


def _certificates(phagescan: dict[str, Any], ours: list[str]) -> Iterator[Fault]:
    """Files of pillar that TLS could not work with; whatever made an own certificate makes it anew."""
    given, worker = phagescan.get("tls", {}), phagescan.get("worker", {})
    if "master" in ours and given.keys() >= {"certificate", "key"}:
        for what, reason in __utils__["certificates.faults"](given["certificate"], given["key"]):
            yield f"phagescan:tls:{what}", reason, ()
    verified = phagescan.get("broker", {}).get("tls") or worker.get("master_url", "").startswith("https:")
    if "worker" in ours and verified and "ca_certs" in worker:
        for reason in __utils__["certificates.faults_of_authority"](worker["ca_certs"]):
            yield "phagescan:worker:ca_certs", reason, ()


def _clusters(pillar: dict[str, Any]) -> Iterator[Fault]:
    """Whether cluster main is, or will be, where pillar says."""
    postgresql = pillar.get("postgresql", {})
    clusters = {}
    for path in sorted(pathlib.Path("/etc/postgresql").glob("*/*/postgresql.conf")):
        match = re.search(r"^\s*port\s*=?\s*(\d+)", path.read_text(), re.MULTILINE)
        clusters["/".join(path.parts[-3:-1])] = int(match[1]) if match else 5432
    ours = f"{__salt__['postgresql_topology.version']()}/main"
    free = next(number for number in range(5432, 65536) if number not in clusters.values())
    if (postgresql.get("port") or 5432) != clusters.get(ours, free):
        others = {number: cluster for cluster, number in clusters.items() if cluster != ours}
        version, main, _ = others.get(postgresql.get("port") or 5432, "").partition("/main")
        told = ", ".join(f"{cluster} on {number}" for number, cluster in others.items())
        yield (
            "postgresql:port",
            f"cluster {ours} has port {clusters.get(ours, free)}; set this key to it"
            + (f", or postgresql:version to {version} to stay with {version}/main" if main else "")
            + (f" (others here: {told})" if told else ""),
            ("postgresql:version",),
        )


def _broker(pillar: dict[str, Any]) -> Iterator[Fault]:
    """Whether the broker will speak AMQPS: one that was here first keeps its listeners."""
    wanted = pillar.get("rabbitmq", {}).get("node", "rabbit@localhost")
    if __utils__["pillar_faults.amqps"](pillar) and (node := __salt__["rabbitmq_topology.node"](wanted)) != wanted:
        yield (
            "rabbitmq:listen",
            f"the broker that is here, {node}, is not {wanted} (rabbitmq:node) and keeps its own listeners: AMQPS is not made,"
            " and AMQP may be open to others; see to both in its configuration, and make this key 127.0.0.1",
            ("rabbitmq:node",),
        )
