"""Pillar, and what the doctor says of it on a host of a temporary directory."""

import functools
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from salt.utils import dictupdate

from pillars import PASSWORD_KEYS, ROOT, look_up, put

FILES = {"salt", "formulas", "roots"}


def shipped() -> dict[str, Any]:
    """The pillar as it is shipped, with passwords as bootstrap makes them."""
    pillar: dict[str, Any] = {}
    for path in sorted((ROOT / "pillar").glob("*.sls")):
        if path.name not in ("top.sls", "credentials.sls", "local.sls"):
            dictupdate.update(pillar, yaml.safe_load(path.read_text()))
    for number, key in enumerate(PASSWORD_KEYS):
        pillar = put(pillar, key, f"unit-{number}-" + "0123456789" * 5)
    return pillar


@functools.cache
def served() -> frozenset[str]:
    """What Salt serves of this tree."""
    found = set()
    for top in map(ROOT.joinpath, FILES):
        for folder, _, names in os.walk(top):
            found |= {os.path.relpath(os.path.join(folder, name), top) for name in names}
    return frozenset(found)


@functools.cache
def defaults(formula: str) -> dict[str, Any]:
    """Defaults of a formula, those of a release with them."""
    path = ROOT / "formulas" / formula / "defaults.yaml"
    return yaml.safe_load(path.read_text()) if path.exists() else {}


class Doctor:
    """Checks a pillar on a host that has what is below a directory, and whose disk and memory are no subject."""

    def __init__(self, load: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, top: Path) -> None:
        self.module, self.merge = load("_utils/doctor"), load("_utils/layers").merge
        module = self.module
        monkeypatch.setattr(module.paths, "ROOT", top)
        monkeypatch.setattr(module.supervisor, "ROOT", top)
        monkeypatch.setattr(module.writers, "ROOT", top)
        monkeypatch.setattr(module.sites, "NGINX", top / "etc/nginx")
        monkeypatch.setattr(module.database.listening, "by_user", lambda: ())
        self.clusters = load("_utils/postgresql_cluster")
        self.clusters.SETTINGS, self.clusters.DATA = top / "etc/postgresql", top / "var/lib/postgresql"
        host = tuple(each for each in module.OF_HOST if each not in (module.host, module.listening, module.archive))
        monkeypatch.setattr(module, "OF_HOST", host)
        self.known = module.schemas(ROOT / path for path in sorted(map(str, ROOT.glob("*/*/schema.json"))))

    def faults(
        self, pillar: dict[str, Any], grains: dict[str, Any] | None = None, *, host: bool = True, **facts: Any
    ) -> list[str]:
        """Faults of a pillar, each on one line."""
        grains = {"osfinger": "Debian-13", **(grains or {})}
        facts = {
            "checkout": ["/srv/salt", "/srv/formulas", "/srv/roots", "/srv/pillar"],
            "served": served(),
            "clusters": self.clusters.found,
            "secrets": ("/srv/pillar/credentials.sls", "/etc/salt/gpgkeys"),
            **facts,
        }
        release = {name: defaults(name) | {} for name in self.known}
        known = {
            name: self.merge(found, found.pop("osfinger", {}).get(grains["osfinger"], {}))
            for name, found in release.items()
        }
        lines = self.module.faults(pillar, self.known, known, grains, self.merge, host, **facts)
        assert all(line.isprintable() for line in lines)
        return lines


def getter(pillar: dict[str, Any]) -> Callable[..., Any]:
    """A pillar.get."""
    return lambda key, default=None, **_options: look_up(pillar, key, default)
