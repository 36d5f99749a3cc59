"""The operator's commands, on a host of a temporary directory."""

import copy
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import doctors
from pillars import ROOT, put


@pytest.fixture
def phagescan(
    load: Callable[..., Any], minion: Callable[..., SimpleNamespace], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Callable[..., Any]:
    """Makes the module on a host below tmp_path, with keys of the shipped pillar set otherwise; all it uses is real."""

    def make(changed: dict[str, Any] | None = None, **grains: Any) -> Any:
        pillar = copy.deepcopy(doctors.shipped())
        for key, value in (changed or {}).items():
            pillar = put(pillar, key, value)
        made = minion(pillar, file_roots=[ROOT / name for name in ("salt", "formulas", "roots")], **grains)
        # What the machine that tests has is not the subject.
        doctors.Doctor(load, monkeypatch, tmp_path)
        for module in ("host", "listening", "archive"):
            monkeypatch.setattr(f"checks.{module}.CHECKS", ())
        return load(
            "_modules/phagescan",
            __salt__={"state.show_lowstate": lambda **_: [], "cp.cache_file": str}
            | {name: made.salt[name] for name in NAMES},
            __utils__={name: made.utils[name] for name in UTILS} | {"postgresql_cluster.found": dict},
            __grains__=made.opts["grains"],
            __pillar__=pillar,
            __context__={},
            __opts__={
                "pillar_roots": {"base": ["/srv/none", "/srv/pillar"]},
                "file_roots": {"base": ["/srv/roots", "/srv/salt", "/srv/formulas"]},
                "gpg_keydir": "/etc/salt/gpgkeys",
            },
        )

    return make


NAMES = (
    *("pillar.get", "served.files", "settings.get", "settings.defaults", "rabbitmq_node.found"),
    *("rabbitmq_upgrade.stuck", "rabbitmq_upgrade.steps", "rabbitmq_upgrade.version", "rabbitmq_upgrade.blocked"),
)
UTILS = (
    *("doctor.schemas", "doctor.faults", "doctor.notes", "inherited.roles", "inherited.of", "layers.merge"),
    *("certificates.faults", "certificates.faults_of_authority", "addresses.allowed_hosts", "addresses.peers"),
    *(
        "dpkg.interrupted",
        "health.site",
        "health.parts",
        "health.nodes",
        "health.scanner_of",
        "django_site.manage",
        "django_site.python",
        "daemon.status",
    ),
    *(
        "startup.spared",
        "supplies.lacking",
        "programs.last_lines",
        "programs.run",
        "programs.reason",
        "python_packages.trial",
        "python_packages.environment",
        "packages.missing",
        "packages.install",
        "packages.look",
        "release.known",
        "credentials.lacking",
        "credentials.write",
    ),
    *("rules.faults", "django_site.code", "django_site.recall", "django_site.remember"),
    *("arrival.url", "arrival.knock", "arrival.fingerprint", "arrival.password_command", "arrival.door", "probes.get"),
    *("ownership.judge", "psql.run", "psql.run_as", "rabbitmq_node.choices"),
    *("rabbitmq_topology.installed", "rabbitmq_topology.read", "postgresql_topology.read"),
)
