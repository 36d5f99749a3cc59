"""File names are composed (NFC), as searches are."""

from typing import ClassVar

from django.apps.registry import Apps
from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor

BATCH = 1000
COMPOSE = """
UPDATE scaggr_scanrun SET name = left(normalize(name, NFC), 255) WHERE id IN (
    SELECT id FROM scaggr_scanrun WHERE name IS NOT NFC NORMALIZED LIMIT %s FOR NO KEY UPDATE
)
"""


def compose(apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    """Compose the names that are not, some at a time: an upload or a verdict waits for none of them for long."""
    with schema_editor.connection.cursor() as cursor:
        while True:
            cursor.execute(COMPOSE, [BATCH])
            if not cursor.rowcount:
                return


class Migration(migrations.Migration):
    """Rows only, each batch by itself: it may be killed, and goes on where it was."""

    atomic = False
    dependencies: ClassVar = [("scaggr", "0008_clocks")]
    operations: ClassVar = [migrations.RunPython(compose, migrations.RunPython.noop)]
