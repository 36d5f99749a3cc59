"""Engines that the same workers have are asked by one message."""

from typing import ClassVar

from django.db import migrations, models

ROOM = "ALTER TABLE scaggr_scanrun SET (fillfactor = 60)"
NO_ROOM = "ALTER TABLE scaggr_scanrun RESET (fillfactor)"
"""A row is changed twice soon after it is made: with room in its page, that costs no index."""


class Migration(migrations.Migration):
    """A column with a default in the database: a process of the release before writes rows without it."""

    dependencies: ClassVar = [("scaggr", "0011_search")]

    operations: ClassVar = [
        migrations.RunSQL(ROOM, NO_ROOM),
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
    ]
