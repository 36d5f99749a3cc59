"""The application's modules: those that need Django, and those that do not; and a database for what needs one."""

import importlib
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import pytest

MASTER_TOML = """
debug = false
secret_key = "a-key-of-the-unit-tests-that-is-longer-than-fifty-characters"
allowed_hosts = ["*"]
public_url = ""
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
[scan]
sample_root = "/nonexistent/samples"
max_size = 1048576
expires = 600
keep_free = 0
spool = "/nonexistent/spool"
engines = ["yara", "fileinfo"]
"""


@pytest.fixture(scope="session")
def django_modules() -> dict[str, Any]:
    """The project's modules that were imported with Django, which takes each model once a process."""
    return {}


@pytest.fixture
def scaggr_module(
    project: Path,
    ours: set[str],
    django_modules: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> Iterator[Callable[[str], Any]]:
    """Imports modules of the application that need Django, with settings and without a database or a broker."""
    (tmp_path / "master.toml").write_text(MASTER_TOML)
    monkeypatch.setenv("PHAGESCAN_CONF_DIR", str(tmp_path))
    monkeypatch.setenv("DJANGO_SETTINGS_MODULE", "scaggr.settings")
    sys.modules.update(django_modules)
    importlib.import_module("scaggr.celery")
    yield lambda name: importlib.import_module(f"scaggr.{name}")
    django_modules.update({name: module for name, module in sys.modules.items() if name.partition(".")[0] in ours})


@pytest.fixture
def scaggr(scaggr_module: Callable[[str], Any]) -> SimpleNamespace:
    """The modules that need Django."""
    return SimpleNamespace(**{name: scaggr_module(name) for name in ("broker", "models", "scans", "uploads")})


@pytest.fixture
def database(scaggr: SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The models, with tables in memory: SQLite's, for what means the same to PostgreSQL. It locks no rows."""
    connections = importlib.import_module("django.db").connections
    sqlite = importlib.import_module("django.db.backends.sqlite3.base")
    hstore = importlib.import_module("django.contrib.postgres.fields").HStoreField
    monkeypatch.setattr(hstore, "get_prep_value", lambda _, value: json.dumps(value))
    former = connections["default"]
    settings = former.settings_dict | {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:", "OPTIONS": {}}
    connections["default"] = made = sqlite.DatabaseWrapper(settings, "default")
    try:
        made.ensure_connection()
        made.connection.create_function("gen_random_uuid", 0, lambda: uuid4().hex)
        with made.schema_editor() as editor:
            for model in importlib.import_module("django.apps").apps.get_models():
                monkeypatch.setattr(model._meta, "indexes", [])  # some are PostgreSQL's alone
                editor.create_model(model)
        yield scaggr.models
    finally:
        connections["default"] = former
        made.connection.close()


@pytest.fixture
def text(project: Path) -> Any:
    """scaggr.text, which needs nothing."""
    return importlib.import_module("scaggr.text")


@pytest.fixture
def conf(project: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """scaggr.conf, reading from an empty directory."""
    monkeypatch.setenv("PHAGESCAN_CONF_DIR", str(tmp_path))
    return importlib.import_module("scaggr.conf")
