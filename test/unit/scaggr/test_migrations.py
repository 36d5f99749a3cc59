"""Migrations bring the database to what the models say."""

from collections.abc import Callable
from typing import Any


def test_models_are_what_migrations_make(scaggr_module: Callable[[str], Any]) -> None:
    """No change of a model is without its migration, and none of them makes something else."""
    scaggr_module("models")
    from django.apps import apps  # noqa: PLC0415
    from django.db.migrations.autodetector import MigrationAutodetector  # noqa: PLC0415
    from django.db.migrations.loader import MigrationLoader  # noqa: PLC0415
    from django.db.migrations.state import ProjectState  # noqa: PLC0415

    loader = MigrationLoader(None)
    changes = MigrationAutodetector(loader.project_state(), ProjectState.from_apps(apps)).changes(loader.graph)
    assert {app: [str(migration.operations) for migration in made] for app, made in changes.items()} == {}


def test_one_table(scaggr_module: Callable[[str], Any]) -> None:
    """A migration that is carried out while the application works locks one table: of two, the application may hold one
    and wait for the other.
    """
    scaggr_module("models")
    from django.db.migrations.loader import MigrationLoader  # noqa: PLC0415

    for (app, name), migration in MigrationLoader(None).disk_migrations.items():
        if app == "scaggr" and name > "0012" and migration.atomic:
            tables = {operation.model_name for operation in migration.operations if hasattr(operation, "model_name")}
            assert len(tables) == 1, name
