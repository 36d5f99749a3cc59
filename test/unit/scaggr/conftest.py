"""The application's modules, and a database for what needs one."""

import importlib
import json
import sys
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import pytest

from fetching import Claimed

OFTEN = (
    "models",
    *(f"scanning.{name}" for name in ("claim", "dispatch", "engines", "results", "runs", "search", "submit")),
    "web.uploads",
)


@pytest.fixture
def scaggr_module(as_master: Path) -> Callable[[str], Any]:
    """Imports modules of the application."""
    return lambda name: importlib.import_module(f"scaggr.{name}")


@pytest.fixture
def scaggr(scaggr_module: Callable[[str], Any]) -> Any:
    """The application, with the modules that samples pass through."""
    for name in OFTEN:
        scaggr_module(name)
    return sys.modules["scaggr"]


@pytest.fixture
def database(scaggr: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
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
        made.connection.create_function("pg_advisory_xact_lock", 1, lambda _: None)
        with made.schema_editor() as editor:
            for model in importlib.import_module("django.apps").apps.get_models():
                monkeypatch.setattr(model._meta, "indexes", [])  # some are PostgreSQL's alone
                editor.create_model(model)
        yield scaggr.models
    finally:
        connections["default"] = former
        made.connection.close()


@pytest.fixture
def claimed(scaggr: Any, database: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Claimed:
    """A verdict whose sample is there."""
    return Claimed(scaggr, database, monkeypatch, tmp_path)


@pytest.fixture
def place(scaggr: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Where samples lie, and what is received; a file may have 10 bytes."""
    settings = importlib.import_module("django.conf").settings
    (tmp_path / "samples/incoming").mkdir(parents=True)
    for name, value in {
        "SAMPLE_ROOT": str(tmp_path / "samples"),
        "FILE_UPLOAD_TEMP_DIR": str(tmp_path / "samples/incoming"),
        "UPLOAD_SPOOL": str(tmp_path),
        "MAX_SAMPLE_SIZE": 10,
        "KEEP_FREE": 0,
    }.items():
        monkeypatch.setattr(settings, name, value, raising=False)
    monkeypatch.setattr(scaggr.scanning.runs.transaction, "atomic", lambda **_: nullcontext())
    monkeypatch.setattr(scaggr.models.Sample.objects, "bulk_create", lambda *_, **__: None)
    monkeypatch.setattr(
        scaggr.scanning.submit,
        "start_runs",
        lambda named, _: [SimpleNamespace(sample=sample, name=name) for sample, name in named],
    )
    return tmp_path / "samples"
