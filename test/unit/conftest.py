"""What tests of different parts share: the project's modules, and an extension module by itself."""

import importlib
import importlib.util
import logging
import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import celery.app.base  # it registers Celery's own tasks, once
import celery.signals
import pytest
import salt._logging.impl
import salt.config
import salt.loader
from celery import _state
from celery.utils.dispatch import Signal

from masters import MASTER_TOML

# Salt's import hook for PyNaCl is of a kind that pytest cannot ask (no find_spec).
sys.meta_path = [finder for finder in sys.meta_path if hasattr(finder, "find_spec")]

# What is logged would wait for Salt's own handlers, which never come here, and be printed when pytest has closed its
# output.
salt._logging.impl.shutdown_temp_handler()

ROOT = Path(__file__).parents[2]
PROJECT = ROOT / "roots" / "phagescan"
SIGNALS = [signal for signal in vars(celery.signals).values() if isinstance(signal, Signal)]

os.environ.setdefault("HYPOTHESIS_STORAGE_DIRECTORY", str(ROOT / "test" / ".output" / "hypothesis"))


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """What is binary or long goes by its parameter's name and its length, so that a test's name can be read and
    typed.
    """
    return f"{argname}-{len(val)}" if isinstance(val, bytes) or (isinstance(val, str) and len(val) > 60) else None


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    """Environment, time zone and logging are after a test what they were before it."""
    environment, level, handlers = dict(os.environ), logging.root.level, logging.root.handlers[:]
    yield
    logging.root.setLevel(level)
    logging.root.handlers = handlers
    zone = os.environ.get("TZ")
    os.environ.clear()
    os.environ.update(environment)
    if zone != environment.get("TZ"):
        time.tzset()


@pytest.fixture
def load() -> Callable[..., Any]:
    """Loads one extension module (`_states/daemon`) with the given dunders, private functions included."""

    def make(name: str, **dunders: Any) -> Any:
        path = next(path for tree in ("salt", "formulas") if (path := ROOT / tree / f"{name}.py").exists())
        spec = importlib.util.spec_from_file_location(f"unit_{name.replace('/', '_')}", path)
        assert spec
        assert spec.loader
        module: Any = importlib.util.module_from_spec(spec)
        if name.startswith("_states/"):
            utils = {"results": make("_utils/results", __pillar__={}), "programs": make("_utils/programs")}
            given = {f"{util}.{key}": value for util, known in utils.items() for key, value in vars(known).items()}
            dunders["__utils__"] = given | dunders.get("__utils__", {})
        vars(module).update(dunders)
        sys.path.append(str(path.parent))  # as Salt does, so that utils can import others
        try:
            spec.loader.exec_module(module)
        finally:
            sys.path.pop()
        return module

    return make


@pytest.fixture
def minion(tmp_path: Path) -> Callable[..., SimpleNamespace]:
    """Makes a minion as salt-call would: `salt` (execution modules), `utils`, `opts` and `context`."""

    def make(
        pillar: dict[str, Any] | None = None, *, test: bool = False, file_roots: Iterable[Path] = (), **grains: Any
    ) -> SimpleNamespace:
        opts = {
            **salt.config.DEFAULT_MINION_OPTS,
            "id": "unit",
            "file_client": "local",
            "file_roots": {"base": [str(root) for root in file_roots]},
            "module_dirs": [str(ROOT / "salt"), str(ROOT / "formulas")],
            "extension_modules": str(tmp_path / "ext"),
            "cachedir": str(tmp_path / "cache"),
            "root_dir": str(tmp_path),
            "pillar": pillar or {},
            "grains": {
                "os_family": "Debian",
                "osfinger": "Debian-13",
                "kernel": "Linux",
                "ipv4": ["127.0.0.1"],
                **grains,
            },
            "test": test,
        }
        context: dict[str, Any] = {}
        utils = salt.loader.utils(opts, context=context)
        modules = salt.loader.minion_mods(opts, context=context, utils=utils)
        return SimpleNamespace(opts=opts, context=context, utils=utils, salt=modules)

    return make


@pytest.fixture
def certificates(load: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> Any:
    """What is known of certificates; files keep their owner, as the tests may have to."""
    module = load("_utils/certificates")
    monkeypatch.setattr(module.os, "fchown", lambda *_: None)
    return module


@pytest.fixture(scope="session")
def ours() -> set[str]:
    """Names of the project's modules and packages."""
    return {path.stem for path in PROJECT.glob("*.py")} | {path.parent.name for path in PROJECT.glob("*/__init__.py")}


@pytest.fixture
def project(ours: set[str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The project root, whose modules can be imported; what a test imports of them is forgotten afterwards."""
    monkeypatch.syspath_prepend(str(PROJECT))
    monkeypatch.setattr(sys, "dont_write_bytecode", sys.dont_write_bytecode or not sys.pycache_prefix)
    receivers = [(signal, signal.receivers and signal.receivers[:]) for signal in SIGNALS]
    tasks = set(_state._on_app_finalizers)
    yield PROJECT
    _state._on_app_finalizers.intersection_update(tasks)
    for signal, before in receivers:
        signal.receivers = before
    for name in [name for name in sys.modules if name.partition(".")[0] in ours]:
        del sys.modules[name]


@pytest.fixture(scope="session")
def django_modules() -> dict[str, Any]:
    """The project's modules that were imported with Django, which takes each model once a process."""
    return {}


@pytest.fixture
def as_master(
    project: Path,
    ours: set[str],
    django_modules: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> Iterator[Path]:
    """The project root, configured as the master's: its modules are imported with Django and its settings, and without
    a database or a broker.
    """
    (tmp_path / "master.toml").write_text(MASTER_TOML)
    monkeypatch.setenv("PHAGESCAN_CONF_DIR", str(tmp_path))
    monkeypatch.setenv("DJANGO_SETTINGS_MODULE", "scaggr.settings")
    sys.modules.update(django_modules)
    importlib.import_module("shared.app")
    yield project
    django_modules.update({name: module for name, module in sys.modules.items() if name.partition(".")[0] in ours})
