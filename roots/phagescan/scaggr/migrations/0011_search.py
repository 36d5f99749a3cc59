"""Names and threats are found by indexes. The extension pg_trgm is Salt's to make (postgresql:databases)."""

from typing import Any, ClassVar

from django.apps.registry import Apps
from django.contrib.postgres.indexes import GinIndex, OpClass
from django.contrib.postgres.operations import AddIndexConcurrently
from django.core.management import CommandError
from django.db import migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.models.functions import Upper

ANYWHERE = OpClass(Upper("name"), name="gin_trgm_ops")
BEGINNING = OpClass(Upper("name"), name="text_pattern_ops")
NAMED = ~models.Q(name="")


def check_extension(apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    """Say what to do where pillar lists the extensions of before."""
    with schema_editor.connection.cursor() as cursor:
        cursor.execute("SELECT current_database() FROM pg_extension WHERE extname = 'pg_trgm' UNION ALL SELECT NULL")
        if cursor.fetchone()[0] is None:
            name = schema_editor.connection.settings_dict["NAME"]
            raise CommandError(
                f"extension pg_trgm is missing: add it to postgresql:databases:{name}:extensions in pillar, and run"
                " salt-call --local state.highstate"
            )


class Add(AddIndexConcurrently):
    """An index that is made while the application works; what a run that was killed has left of it goes before."""

    def database_forwards(
        self, app_label: str, schema_editor: BaseDatabaseSchemaEditor, from_state: Any, to_state: Any
    ) -> None:
        """Make it."""
        schema_editor.execute(f'DROP INDEX CONCURRENTLY IF EXISTS "{self.index.name}"')
        super().database_forwards(app_label, schema_editor, from_state, to_state)


class Migration(migrations.Migration):
    """Indexes alone: code of before goes on with them, and finds more quickly. Nothing waits for them."""

    atomic = False
    dependencies: ClassVar = [("scaggr", "0010_engine_warning_and_host")]
    operations: ClassVar = [
        migrations.RunPython(check_extension, migrations.RunPython.noop),
        Add("scanrun", GinIndex(ANYWHERE, name="scanrun_name_anywhere")),
        Add("scanrun", models.Index(BEGINNING, name="scanrun_name_beginning")),
        Add("verdict", GinIndex(ANYWHERE, name="verdict_threat_anywhere", condition=NAMED)),
        Add("verdict", models.Index(BEGINNING, name="verdict_threat_beginning", condition=NAMED)),
        # Of the whole name, for which no one asks.
        migrations.AlterField("verdict", "name", models.CharField("threat", blank=True, max_length=255)),
    ]
