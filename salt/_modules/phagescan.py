"""Phagescan on this host, for the operator: `salt-call --local phagescan.<function>`."""

import logging
import os
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from salt.exceptions import CommandExecutionError

# Set by Salt's loader.
__context__: dict[str, Any]
__grains__: dict[str, Any]
__opts__: dict[str, Any]
__pillar__: dict[str, Any]
__salt__: dict[str, Callable[..., Any]]
__utils__: dict[str, Callable[..., Any]]

log = logging.getLogger("progress")  # what salt/_log_handlers/progress.py shows

__outputter__ = {"status": "parts", "version": "parts", "preview": "highstate"}

# Utils that supplies.lacking asks, as Salt packs none for utils.
ASKED = (
    "packages.missing packages.install python_packages.trial python_packages.environment programs.run programs.reason"
)
RELEASES = ("Debian-13", "Debian-12", "Ubuntu-24.04")
CLOCKS = """SELECT json_build_array(hostname, clock) FROM scaggr_node
    WHERE clock IS NOT NULL AND hostname IN (SELECT worker FROM scaggr_engine);
"""
CREDENTIALS = "pillar/credentials.sls"
MASTER = "/etc/phagescan/master.toml"  # a host that has it is a master


def roles() -> list[str]:
    """Roles of this host: pillar `phagescan:roles`, else the grain `roles`, else all there are."""
    return __utils__["inherited.roles"](_get, __grains__)


def faults(host: bool = True, thorough: bool = False) -> list[str]:
    """What keeps this pillar from being applied to this host, one line each: key, reason, what would be right.

    Without `host` only what is wrong with the pillar itself. `thorough` asks the archive, too, which a run does only
    when packages are missing.
    """
    release = __grains__.get("osfinger")
    if __grains__.get("os_family") != "Debian" or release not in RELEASES:
        known = ", ".join(RELEASES)
        return [f"grain osfinger: {release} ({__grains__.get('os_family')}) is not known; known: {known}"]
    if "_errors" in __pillar__:  # all else would be for want of what could not be read
        return [
            f"pillar: {str(error).partition(' Please see')[0]} See what is above." for error in __pillar__["_errors"]
        ]
    served = __salt__["served.files"]()
    schemas = (name for name in sorted(served) if name.endswith("/schema.json") and name.count("/") == 1)
    known = __utils__["doctor.schemas"]([served[name] for name in schemas])
    certificates = {}
    if _get("phagescan:tls") or _get("phagescan:worker:ca_certs"):  # the util takes its time to load
        certificates["certificate_faults"] = __utils__["certificates.faults"]
        certificates["authority_faults"] = __utils__["certificates.faults_of_authority"]
    return __utils__["doctor.faults"](
        {name: _get(name) if name in known else None for name in __pillar__},
        known,
        {name: __salt__["settings.defaults"](name) for name in known},
        dict(__grains__),
        __utils__["layers.merge"],
        host,
        checkout=[*__opts__["file_roots"]["base"], *__opts__["pillar_roots"]["base"]],
        served=served.keys(),
        secrets=(*(f"{root}/credentials.sls" for root in __opts__["pillar_roots"]["base"]), __opts__["gpg_keydir"]),
        clusters=__utils__["postgresql_cluster.found"],
        broker=__salt__["rabbitmq_node.found"],
        broker_stuck=__salt__["rabbitmq_upgrade.stuck"],
        broker_steps=__salt__["rabbitmq_upgrade.steps"],
        look=__utils__["packages.look"],
        thorough=thorough,
        **certificates,
    )


def allowed_hosts() -> list[str]:
    """Names that Django answers for: pillar `phagescan:allowed_hosts`, and those of its URLs."""
    return __utils__["addresses.allowed_hosts"](_settings("phagescan"))


def peers(role: str) -> list[str]:
    """Addresses that services of a role talk to: the broker, the master, name servers."""
    return __utils__["addresses.peers"](_settings("phagescan"), role)


def doctor() -> str:
    """Check pillar and host without changing anything; exits non-zero with every fault, a line each.

    Notes come after the faults: what does not stop a run, and is to be known.
    """
    found = faults(thorough=True)
    if not found:
        run = __salt__["state.show_lowstate"](concurrent=True)  # or lines, where it cannot be rendered
        found = [line for line in run if isinstance(line, str)]
        found = found or ownership(run)[0] or _unavailable(run) or rule_faults() or []
    notes = [f"Note: {note}" for note in _notes()]
    log.info("")  # takes the progress line away
    if found:
        raise CommandExecutionError("\n".join([*found, *notes]))
    return "\n".join(["No faults in pillar or host.", *notes])


def rule_faults() -> list[str] | None:
    """Why YARA rules of this pillar are left out, a line each; null where the engine is not installed yet. Rules that
    compiled are not tried again before they or the engine are others.
    """
    phagescan = _settings("phagescan")
    rules = (phagescan["engines"].get("yara") or {}).get("rules") or {}
    site = __utils__["health.site"](phagescan) | {"user": phagescan["worker"]["user"]}
    mark = [rules, __utils__["django_site.code"](site)] if rules else []
    if __utils__["django_site.recall"]("rules") == mark:
        return []
    found = __utils__["rules.faults"](rules, site, __utils__["django_site.python"])
    if found == [] and rules and not __opts__.get("test"):
        __utils__["django_site.remember"]("rules", mark)
    return found and [f"phagescan:engines:yara:rules: {line}" for line in found]


def ownership(chunks: Sequence[Mapping[str, Any]]) -> tuple[list[str], set[str], bool]:
    """Whose is what a run with these states, in Salt's low form, would take: see the util of that name."""
    read, run = __utils__["postgresql_topology.read"], __utils__["psql.run"]
    return __utils__["ownership.judge"](
        chunks,
        {name: _settings(name) for name in ("phagescan", "rabbitmq", "postgresql")},
        installed=__utils__["rabbitmq_topology.installed"],
        databases=__utils__["rabbitmq_node.choices"],
        broker=__utils__["rabbitmq_topology.read"],
        cluster=lambda port: read([], port, run),
    )


def version() -> dict[str, str]:
    """Version of this `tree`, its `revision` where it is a clone, and the version that the `host` was last converged
    with.
    """
    return __utils__["release.known"](checkout())


def checkout() -> str:
    """Where this tree is."""
    return os.path.dirname(__opts__["file_roots"]["base"][0])


def make_pillar(tls: bool = True) -> list[str]:
    """Write what a new host's pillar lacks, credentials and `tls`, where there are no such files yet: their paths."""
    folder, made = __opts__["pillar_roots"]["base"][0], []
    for name, pillar in _lacking(tls).items():
        __utils__["credentials.write"](f"{folder}/{name}", pillar)
        made.append(f"{folder}/{name}")
    return made


def preview(pillar: dict[str, Any] | None = None) -> dict[str, Any]:
    """`state.highstate test=True`; what make_pillar would write counts, and is written nowhere."""
    made = _lacking(tls=pillar is None).values()
    return __salt__["state.highstate"](
        test=True, concurrent=True, pillar=__utils__["layers.merge"](*made, pillar or {})
    )


def canary() -> str:
    """Send a task through broker, master worker, result collector, database and camera, hand a file in through nginx,
    wait for its verdict, and say what each hop took. What it has made is removed.

    Exits non-zero with the hop that is broken; so it does when the scan worker of this host cannot scan.
    """
    scanner = __utils__["health.scanner_of"](__utils__["health.nodes"](_settings("celery"), roles()))
    more = ("--worker", scanner) if scanner else ()
    try:
        site, nginx = __utils__["health.site"](_get("phagescan") or {}), _settings("nginx")
        if "master" in roles() and _get("phagescan:mode") == "production":
            url = __utils__["arrival.url"](nginx, _settings("phagescan"))
            more = (*more, *__utils__["arrival.door"](url, nginx))
        return __utils__["django_site.manage"](site, "canary", *more).strip()
    except CommandExecutionError as error:
        raise CommandExecutionError(str(error).removeprefix("manage.py canary: ")) from None
    except (OSError, LookupError) as error:
        raise CommandExecutionError(f"canary failed: Phagescan is not installed here ({error})") from None


def status() -> dict[str, dict[str, Any]]:
    """Each part of this host by what it does: `ok` (null: it cannot be known), what is `said`, the last lines of its
    `log`.

    Exits non-zero when a part is broken. Starts and changes nothing.
    """
    if found := faults(host=False):
        parts = {
            "pillar": {"ok": False, "said": "has faults; mend them first, nothing else was looked at", "log": found}
        }
    else:
        settings = {name: _settings(name) for name in ("phagescan", "celery", "nginx", "supervisord")}
        names = ("django_site.python", "daemon.status", "startup.spared", "programs.last_lines")
        asked = (__utils__[name] for name in names)
        parts = __utils__["health.parts"](settings, roles(), *asked)
    if any(part["ok"] is False for part in parts.values()):
        __context__["retcode"] = 1
    return parts


def arrival(canary: bool = True, knock: bool = True) -> str:
    """What bootstrap ends with: a canary (of a master in production), the URL, the login, where its password is.

    Fails where the login page is not what is at that URL.
    """
    if "master" not in roles():
        return f"Phagescan worker: scans for {_settings('phagescan')['worker']['master_url']}"
    nginx, live, lines = _settings("nginx"), _get("phagescan:mode") == "production", []
    site = __utils__["arrival.url"](nginx, _settings("phagescan"))
    if live:
        lines += [__salt__["phagescan.canary"]()] if canary else []
        if knock and (note := __utils__["arrival.knock"](site, nginx, __utils__["probes.get"])):
            lines.append(f"Note: {note}")
    lines.append(f"Phagescan Master: {site}")
    if (_get("phagescan:tls") or {}).get("self_signed"):
        lines.append(f"Certificate:      SHA-256 {__utils__['arrival.fingerprint'](nginx['tls']['certificate'])}")
    password = __utils__["arrival.password_command"](
        f"{checkout()}/{CREDENTIALS}", str(_get("phagescan:admin:password"))
    )
    lines += [
        f"Log in as:        {_get('phagescan:admin:user')}",
        f"Password:         {password}",
        "Is it well?       salt-call --local phagescan.status",
    ]
    return "\n".join(lines)


def _notes() -> list[str]:
    """What does not stop a run, and is to be known."""
    master = "master" in roles()
    site = _settings("nginx")["sites"].get("phagescan", {}) if master else {}
    roots, look = __opts__["file_roots"]["base"], __utils__["packages.look"]
    said = f"{_get('phagescan:log_dir')}/gunicorn-error.log"
    lines = list(__utils__["doctor.notes"](roots, site, look, _clocks() if master else (), said))
    broker, listen = _get("phagescan:broker", {}), _get("rabbitmq:listen", "127.0.0.1")
    if master and not listen.startswith("127.") and broker.get("master") == broker.get("worker"):
        lines.append(
            f"phagescan:broker: master and workers share {broker.get('worker')}: whoever has a worker's password may do"
            " what the master may; give them a user each"
        )
    if master and _get("phagescan:tls") is None:
        lines.append(
            "phagescan:tls: is not set, and passwords cross the network in clear; set it to {self_signed: true}, to"
            " {certificate: <file>, key: <file>}, or to false, which ends this note"
        )
    # A broker that does not start keeps its package from being configured; that is a fault, which says how to go on.
    stuck = master and __salt__["rabbitmq_upgrade.stuck"]()
    if __utils__["dpkg.interrupted"]() and not stuck:
        lines.append("dpkg: a run was interrupted; the next highstate completes it")
    here = __salt__["rabbitmq_upgrade.version"]() if master else ""
    if here and __salt__["rabbitmq_upgrade.blocked"]():
        steps = ["service nginx stop  # until the last step no new file is taken"]
        steps += __salt__["rabbitmq_upgrade.steps"]()
        lines.append(
            f"rabbitmq: {here} is kept from version 4, which does not start on its database. Once apt has version 4"
            " (Debian 13), go on so:" + "".join(f"\n  {step}" for step in steps)
        )
    return lines


def _clocks() -> list[tuple[str, float]]:
    """Workers, with the seconds that their clocks are ahead; nothing where the database does not say."""
    try:
        user, database = _get("phagescan:user"), _get("phagescan:database:name")
        return list(map(tuple, __utils__["psql.run_as"](user, CLOCKS, _settings("postgresql")["port"], database)))
    except (CommandExecutionError, OSError, LookupError):  # it is not there yet, or broken, which is a fault of its own
        return []


def _unavailable(run: Sequence[Mapping[str, Any]]) -> list[str]:
    """Packages that the run needs and would not get."""
    asked = {name: __utils__[name] for name in ASKED.split()}
    return __utils__["supplies.lacking"](run, asked, __salt__["cp.cache_file"])


def _lacking(tls: bool) -> dict[str, dict[str, Any]]:
    """What make_pillar would write. Nothing where pillar cannot be read: the run says why."""
    if "_errors" in __pillar__:
        return {}
    new = tls and "master" in roles() and not os.path.exists(MASTER)
    return __utils__["credentials.lacking"](
        __opts__["pillar_roots"]["base"][0], partial(__salt__["pillar.get"], unmask=True), new
    )


def _get(key: str, default: Any = None) -> Any:
    return __salt__["pillar.get"](key, default, unmask=True)


def _settings(name: str) -> dict[str, Any]:
    return __salt__["settings.get"](name, unmask=True)
