"""The execution modules on hosts of a temporary directory."""

import copy
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from salt.utils import dictupdate

from pillars import PASSWORD_KEYS, ROOT, put


@pytest.fixture
def daemon(load: Callable[..., Any], tmp_path: Path) -> Any:
    """The execution module on a host without systemd, its calls noted in `module.calls`."""
    freshness = load("_utils/freshness")
    module = load("_modules/daemon", __utils__={"freshness.process_started": freshness.process_started})
    module.calls = []
    module.real_call = module._call
    module._call = lambda *command: module.calls.append(" ".join(command)) or ""
    module._booted = lambda: False
    module.STAMPS = tmp_path / "stamps"
    return module


@pytest.fixture(scope="module")
def shipped() -> dict[str, Any]:
    """The pillar as it is shipped, with passwords as bootstrap makes them."""
    pillar: dict[str, Any] = {}
    for path in sorted((ROOT / "pillar").glob("*.sls")):
        if path.name not in ("top.sls", "credentials.sls"):
            dictupdate.update(pillar, yaml.safe_load(path.read_text()))
    for number, key in enumerate(PASSWORD_KEYS):
        pillar = put(pillar, key, f"unit-{number}-" + "0123456789" * 5)
    return pillar


@pytest.fixture
def phagescan(
    load: Callable[..., Any], minion: Callable[..., SimpleNamespace], shipped: dict[str, Any], tmp_path: Path
) -> Callable[..., Any]:
    """Makes the module on a host below tmp_path, with keys of the pillar set otherwise."""

    def make(changed: dict[str, Any] | None = None, **grains: Any) -> Any:
        pillar = copy.deepcopy(shipped)
        for key, value in (changed or {}).items():
            pillar = put(pillar, key, value)
        made = minion(pillar, **grains)
        module = load(
            "_modules/phagescan",
            __salt__=made.salt,
            __utils__=made.utils,
            __grains__=made.opts["grains"],
            __pillar__=pillar,
            __opts__={
                "pillar_roots": {"base": ["/srv/none", "/srv/pillar"]},
                "file_roots": {"base": ["/srv/roots", "/srv/salt", "/srv/formulas"]},
                "gpg_keydir": "/etc/salt/gpgkeys",
            },
        )
        for tree in ("salt", "formulas"):
            link = tmp_path / "srv" / tree
            link.parent.mkdir(exist_ok=True)
            link.unlink(missing_ok=True)
            link.symlink_to(ROOT / tree)
        configs = (worker["config"] for worker in shipped["celery"]["workers"].values())
        for name in ("engines/yara", "engines/fileinfo", "scaggr/wsgi", *configs):
            path = tmp_path / f"srv/roots/phagescan/{name}.py"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
        # What the machine that tests has is not the subject.
        module._preflight, module._notes = lambda *_arguments: [], list
        module.pathlib = SimpleNamespace(Path=lambda path, *more: tmp_path.joinpath(path.lstrip("/"), *more))
        return module

    return make
