"""A sample is fetched by a key of its verdict's own, where it was by Django's secret key."""

from typing import ClassVar

from django.apps.registry import Apps
from django.contrib.postgres.functions import RandomUUID
from django.db import migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor


def dispatch_again(apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    """Have scaggr.refresh_engines send the open runs once more: what workers hold of them is signed by the other
    key.
    """
    apps.get_model("scaggr", "ScanRun").objects.filter(finished_at=None).update(dispatched_at=None)


class Migration(migrations.Migration):
    """The database makes the keys, so that code which does not know of them goes on until it is restarted."""

    dependencies: ClassVar = [("scaggr", "0004_scan_schedule")]
    operations: ClassVar = [
        migrations.AddField(
            model_name="verdict",
            name="fetch_key",
            field=models.UUIDField(
                db_default=RandomUUID(), editable=False, help_text="Signs what its sample is fetched with."
            ),
        ),
        migrations.RunPython(dispatch_again, migrations.RunPython.noop),
    ]
