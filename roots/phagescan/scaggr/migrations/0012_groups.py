"""Engines that the same workers have are asked by one message."""

from typing import ClassVar

from django.db import migrations, models

TABLES = ("scaggr_scanrun", "scaggr_verdict")
"""Their rows are changed twice or more soon after they are made: with room in their page, that costs no index."""


class Migration(migrations.Migration):
    """Columns with a default in the database: a process of the release before writes rows without them."""

    dependencies: ClassVar = [("scaggr", "0011_search")]

    operations: ClassVar = [
        *(
            migrations.RunSQL(f"ALTER TABLE {table} SET (fillfactor = 60)", f"ALTER TABLE {table} RESET (fillfactor)")
            for table in TABLES
        ),
        migrations.AddField(
            "engine",
            "takes_groups",
            models.BooleanField(
                default=False,
                db_default=False,
                editable=False,
                help_text="One message may ask it together with others.",
            ),
        ),
        migrations.AddField(
            "verdict",
            "group",
            models.CharField(
                max_length=64,
                blank=True,
                default="",
                db_default="",
                editable=False,
                help_text="The first of the engines that one message asks; empty where it is asked by itself.",
            ),
        ),
        migrations.AddField(
            "verdict",
            "sent",
            models.BooleanField(
                default=False,
                db_default=False,
                editable=False,
                help_text="The broker has the message that asks for it.",
            ),
        ),
    ]
