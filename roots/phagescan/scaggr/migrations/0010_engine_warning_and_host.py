"""Engines have warnings, and workers a host that may be renamed."""

from typing import ClassVar

from django.db import migrations, models


class Migration(migrations.Migration):
    """New columns, which the database fills for code that does not know of them until it is restarted."""

    dependencies: ClassVar = [("scaggr", "0009_composed_names")]
    operations: ClassVar = [
        migrations.AddField(
            "engine",
            "warning",
            models.TextField(
                blank=True, db_default="", default="", help_text="What it works without, though it should have it."
            ),
        ),
        migrations.AddField(
            "engine",
            "host",
            models.CharField(
                blank=True,
                db_default="",
                default="",
                help_text="The same for a host that is renamed.",
                max_length=64,
            ),
        ),
    ]
