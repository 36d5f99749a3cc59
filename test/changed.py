"""Print the tests that a change can break: test/changed.py BASE [TIER]...

The table says it by path. What a test file's own change concerns is itself, and of a helper the suites that import it.
"""

import re
import subprocess
import sys
from fnmatch import fnmatchcase
from pathlib import Path

ROOT = Path(__file__).parents[1]
UNIT = ("test/unit",)
# The page, the API and what is behind them.
PAGES = ("smoke", "browser", "scanning", "phagescan", "hardening")
# What one service's formula can break besides the service: a host converges, stays as it is, is repaired, and does what
# the manual says. The rest of the tree also what becomes of copies, what is said of broken parts, and the upgrade.
HOST = ("idempotence", "packages", "drift", "manual")
SERVICE = (*UNIT, *HOST)
WHOLE = (*HOST, "copies", "status", "release")
RUNS = ("interrupted", "concurrency", "secrets")
# Patterns of paths, `*` for slashes as well, and the suites of hosts; or folders of tests. Every match counts.
TABLE: dict[str, tuple[str, ...]] = {
    "*": ("test/static",),
    "CONTRIBUTING.rst": ("recipes",),
    "SECURITY.md": (*UNIT, "attacks"),
    "docs/operate.rst": ("encrypted", "recipes"),
    "docs/scale.rst": ("recipes",),
    "bootstrap": (*UNIT, *WHOLE, *RUNS, "bootstrap", "encrypted", "saltfile", "test/vagrant"),
    "Saltfile": ("idempotence", "saltfile"),
    "VERSION": ("phagescan", "release"),
    "Vagrantfile": ("test/vagrant",),
    "test/engine.sh": ("test/vagrant",),
    "bench/*": UNIT,
    "bench/search": ("search",),
    "formulas/lsb-init.jinja": (*SERVICE, "celery", "gunicorn", "supervisord"),
    "formulas/hardening.yaml": (*SERVICE, "hardening", "celery", "gunicorn", "worker", "supervisord"),
    "formulas/celery/*": (*SERVICE, "celery", "hardening", "development"),
    "formulas/gunicorn/*": (*SERVICE, "gunicorn", "smoke", "hardening", "development", "attacks"),
    "formulas/nginx/*": (*SERVICE, "nginx", "smoke", "tls", "proxy", "coexist", "hardening", "attacks"),
    "formulas/postgresql/*": (*SERVICE, "postgresql", "coexist", "preflight"),
    "formulas/rabbitmq/*": (*SERVICE, "rabbitmq", "coexist", "tls", "worker", "broker", "upgrade"),
    "formulas/supervisord/*": (*SERVICE, "supervisord", "development", "hardening"),
    "pillar/*": (*UNIT, *WHOLE, "badpillar", "rabbitmq", "postgresql", "nginx", "gunicorn", "celery", "supervisord"),
    "pillar/credentials.sls.sample": ("badpillar",),
    "roots/minion/*": (*UNIT, *WHOLE, "saltfile", "secrets", "concurrency", "processes", "bootstrap"),
    "roots/phagescan/*": (*UNIT, "idempotence", "phagescan", "smoke", "scanning", "status"),
    "roots/phagescan/dev/*": ("manual",),
    "roots/phagescan/*celeryconfig.py": ("celery", "manual", "worker"),
    "roots/phagescan/engines/*": ("degraded", "clamav", "worker", "hardening", "attacks"),
    "roots/phagescan/requirements.*": (*WHOLE, *PAGES, "celery", "gunicorn", "kills"),
    "roots/phagescan/scaggr/*": (*PAGES, "celery", "first_minute", "kills", "manual", "remote", "rotation", "attacks"),
    "roots/phagescan/scaggr/*.py": ("clock", "uploads", "proxy", "search"),
    "roots/phagescan/scaggr/migrations/*": ("copies", "drift", "interrupted", "release", "search"),
    "roots/phagescan/shared/*": (*PAGES, "celery", "first_minute", "kills", "manual", "remote", "rotation", "attacks"),
    "roots/phagescan/shared/*.py": ("clock", "uploads", "proxy", "search", "worker", "clamav"),
    "docs/containers.rst": (),
    "roots/phagescan/worker/*": ("containers", "worker", "kills", "clamav", "remote", "hardening", "attacks"),
    "salt/*": (*UNIT, *WHOLE, "processes"),
    "salt/_executors/*": ("concurrency", "interrupted", "preflight"),
    "salt/_log_handlers/*": ("secrets", "badpillar"),
    "salt/_output/*": ("phagescan", "bootstrap", "secrets"),
    "salt/_modules/phagescan.py": ("badpillar", "preflight", "phagescan"),
    "salt/_states/phagescan.py": ("badpillar", "preflight", "rotation"),
    "salt/_utils/checks/*": ("badpillar", "preflight"),
    "salt/_utils/checks/broker.py": ("broker", "coexist", "upgrade"),
    "salt/_utils/checks/listening.py": ("coexist",),
    "salt/_utils/checks/proxies.py": ("proxy",),
    "salt/_utils/doctor.py": ("badpillar", "preflight"),
    "salt/_utils/inherited.py": ("development", "tls", "remote", "worker"),
    "salt/_utils/addresses.py": ("hardening", "remote"),
    "salt/_utils/arrival.py": ("bootstrap", "coexist"),
    "salt/_utils/credentials.py": ("bootstrap", "coexist", "encrypted"),
    "salt/_utils/logins.py": ("rotation",),
    "formulas/_*": (*UNIT, *WHOLE, "processes"),
    "formulas/_modules/nginx_listen.py": ("nginx", "tls", "coexist", "ports"),
    "formulas/_modules/rabbitmq_*.py": ("rabbitmq", "coexist", "upgrade", "broker"),
    "formulas/_states/certificate.py": ("tls",),
    "formulas/_states/daemon.py": ("rotation", "celery", "development", "tls"),
    "formulas/_states/django_site.py": ("rotation", "phagescan"),
    "formulas/_states/dpkg.py": ("preflight", "interrupted"),
    "formulas/_states/owned_tree.py": ("degraded",),
    "formulas/_states/packages.py": ("packages", "interrupted", "coexist"),
    "formulas/_states/postgresql_*.py": ("postgresql", "rotation", "interrupted"),
    "formulas/_states/python_lock.py": ("phagescan", "interrupted"),
    "formulas/_states/rabbitmq_topology.py": ("rabbitmq", "rotation", "interrupted"),
    "formulas/_states/source_tree.py": ("phagescan", "interrupted"),
    "formulas/_states/supervisor_program.py": ("supervisord", "development"),
    "formulas/_utils/certificates.py": ("tls",),
    "formulas/_utils/daemon.py": ("rotation", "celery", "development", "degraded"),
    "formulas/_utils/django_site.py": ("rotation", "phagescan"),
    "formulas/_utils/dpkg.py": ("preflight",),
    "formulas/_utils/freshness.py": ("rotation", "interrupted", "supervisord", "clock"),
    "formulas/_utils/packages.py": ("packages", "interrupted", "coexist"),
    "formulas/_utils/postgresql_cluster.py": ("postgresql", "coexist", "preflight", "processes"),
    "formulas/_utils/postgresql_topology.py": ("postgresql", "rotation", "coexist", "secrets"),
    "formulas/_utils/programs.py": ("celery", "rabbitmq", "phagescan"),
    "formulas/_utils/psql.py": ("postgresql", "rotation"),
    "formulas/_utils/python_packages.py": ("bootstrap", "phagescan", "interrupted", "preflight"),
    "formulas/_utils/rabbitmq_node.py": ("rabbitmq", "coexist", "broker", "upgrade", "processes"),
    "formulas/_utils/rabbitmq_topology.py": ("rabbitmq", "rotation", "coexist", "secrets", "broker"),
    "formulas/_utils/starts.py": ("packages", "interrupted", "coexist", "preflight"),
    "salt/application/*": ("phagescan", "hardening", "worker", "development", "tls"),
    "salt/application/engines/clamav.sls": ("clamav",),
    "salt/application/files/clamav*": ("clamav",),
    "salt/application/files/*.toml.jinja": ("rotation", "secrets", "remote"),
    "salt/application/logrotate.sls": ("phagescan",),
    "salt/faults.sls": ("badpillar", "preflight"),
    "salt/_utils/health.py": ("first_minute",),
    "salt/_utils/probes.py": ("first_minute", "tls"),
    "salt/_utils/claims.py": ("coexist", "preflight"),
    "salt/_utils/ownership.py": ("coexist", "preflight"),
    "salt/_utils/release.py": ("phagescan", "release"),
    "salt/_utils/startup.py": ("first_minute",),
    "salt/version.sls": ("phagescan", "release"),
    "salt/worker.sls": ("worker", "remote"),
    "test/images/*": ("idempotence", "packages", "test/vagrant"),
    "test/host/conftest.py": ("idempotence", "nginx", "coexist"),
    "test/tree.py": (*UNIT, "attacks"),
    "test/unit/*": UNIT,
    "test/vagrant/*": ("test/vagrant",),
}


def suites() -> dict[str, str]:
    """Name of each suite of hosts and its path."""
    return {
        path.stem.removeprefix("test_"): f"test/host/{path.name}" for path in (ROOT / "test/host").glob("test_*.py")
    }


def importers(helper: str, seen: frozenset[str] = frozenset()) -> set[str]:
    """Paths of the suites that import a helper of test/host/support, or another that does."""
    name = Path(helper).stem
    found: set[str] = set()
    for path in (ROOT / "test/host").rglob("*.py"):
        if re.search(rf"(?m)^from support(\.{name} import| import .*\b{name}\b)", path.read_text()):
            if path.parent.name == "support":
                found |= importers(path.name, seen | {name}) if path.stem not in seen else set()
            elif path.stem.startswith("test_"):
                found.add(f"test/host/{path.name}")
    return found


def concerned(name: str) -> set[str]:
    """Paths of the tests that a change of one file can break."""
    if name.startswith("test/host/support/"):
        return {"test/static", *importers(name)}
    if name.startswith("test/host/test_"):
        return {"test/static", name} if (ROOT / name).exists() else {"test/static"}
    wanted = {entry for pattern, entries in TABLE.items() if fnmatchcase(name, pattern) for entry in entries}
    known = suites()
    return {entry if entry.startswith("test/") else known[entry] for entry in wanted}


def changed(base: str) -> list[str]:
    """Files that differ from a revision, those that git does not know yet among them."""
    commands = (("diff", "--name-only", "--no-renames", base), ("ls-files", "--others", "--exclude-standard"))
    found = set()
    for command in commands:
        ran = subprocess.run(["git", *command], cwd=ROOT, capture_output=True, text=True)
        if ran.returncode:
            sys.exit(f"changed: {ran.stderr.strip()}")
        found |= set(ran.stdout.splitlines())
    return sorted(found)


def main(base: str, *tiers: str) -> None:
    """Print them, in the tiers that are wanted."""
    paths = {path for name in changed(base) for path in concerned(name)}
    print(*sorted(path for path in paths if path.split("/")[1] in tiers))


if __name__ == "__main__":
    main(*sys.argv[1:])
