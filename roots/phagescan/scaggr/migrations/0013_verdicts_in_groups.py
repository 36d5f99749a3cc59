"""Verdicts that one message asks for; and which the broker has the message of."""

from typing import ClassVar

from django.db import migrations, models

ROOM = "ALTER TABLE scaggr_verdict SET (fillfactor = 60)"
NO_ROOM = "ALTER TABLE scaggr_verdict RESET (fillfactor)"
"""A row is changed three times soon after it is made: with room in its page, that costs no index."""


class Migration(migrations.Migration):
    """Columns with a default in the database: a process of the release before writes rows without them. A migration
    locks one table: of two, the application may hold one and wait for the other.
    """

    dependencies: ClassVar = [("scaggr", "0012_groups")]

    operations: ClassVar = [
        migrations.RunSQL(ROOM, NO_ROOM),
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
