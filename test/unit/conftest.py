"""What the tests of the extension modules share: Salt's own loader, and a module by itself."""

import importlib
import importlib.util
import os
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
import salt.config
import salt.loader

# Salt's import hook for PyNaCl is of a kind that pytest cannot ask (no find_spec).
sys.meta_path = [finder for finder in sys.meta_path if hasattr(finder, "find_spec")]

ROOT = Path(__file__).parents[2]
PROJECT = ROOT / "roots" / "phagescan"
MASTER_TOML = """
debug = false
secret_key = "a-key-of-the-unit-tests-that-is-longer-than-fifty-characters"
allowed_hosts = ["*"]
time_zone = "UTC"
static_root = "/nonexistent/static"
tls = false
[broker]
host = "127.0.0.1"
port = 1
vhost = "phage"
user = "master"
password = "password"
[database]
host = "127.0.0.1"
port = 1
name = "phage"
user = "user"
password = "password"
[scan]
sample_root = "/nonexistent/samples"
max_size = 1048576
expires = 600
"""

os.environ.setdefault("HYPOTHESIS_STORAGE_DIRECTORY", str(ROOT / "test" / ".output" / "hypothesis"))


@pytest.fixture
def minion(tmp_path: Path) -> Callable[..., SimpleNamespace]:
    """Makes a minion as salt-call would: `salt` (execution modules), `utils`, `opts` and `context`."""

    def make(pillar: dict[str, Any] | None = None, *, test: bool = False, **grains: Any) -> SimpleNamespace:
        opts = {
            **salt.config.DEFAULT_MINION_OPTS,
            "id": "unit",
            "file_client": "local",
            "module_dirs": [str(ROOT / "salt")],
            "extension_modules": str(tmp_path / "ext"),
            "cachedir": str(tmp_path / "cache"),
            "root_dir": str(tmp_path),
            "pillar": pillar or {},
            "grains": {"os_family": "Debian", "osfinger": "Debian-13", "kernel": "Linux", "ipv4": ["127.0.0.1"], **grains},
            "test": test,
        }
        context: dict[str, Any] = {}
        utils = salt.loader.utils(opts, context=context)
        modules = salt.loader.minion_mods(opts, context=context, utils=utils)
        return SimpleNamespace(opts=opts, context=context, utils=utils, salt=modules)

    return make


@pytest.fixture
def load() -> Callable[..., ModuleType]:
    """Loads one extension module (`_states/daemon`) with the given dunders, private functions included."""

    def make(name: str, **dunders: Any) -> ModuleType:
        spec = importlib.util.spec_from_file_location(f"unit_{name.replace('/', '_')}", ROOT / "salt" / f"{name}.py")
        module = importlib.util.module_from_spec(spec)
        vars(module).update(dunders)
        spec.loader.exec_module(module)
        return module

    return make


@pytest.fixture
def scaggr_module(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[str], ModuleType]:
    """Imports modules of the application that need Django, with settings and without a database or a broker."""
    (tmp_path / "master.toml").write_text(MASTER_TOML)
    monkeypatch.setenv("PHAGESCAN_CONF_DIR", str(tmp_path))
    monkeypatch.setenv("DJANGO_SETTINGS_MODULE", "scaggr.settings")
    monkeypatch.syspath_prepend(str(PROJECT))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    importlib.import_module("scaggr.celery")
    return lambda name: importlib.import_module(f"scaggr.{name}")
