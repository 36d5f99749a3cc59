"""The camera's tables have the indexes that are asked, and no more: each row pays for each of them.

A page of tasks is found by `seen_at`, a task by its whole `uuid`. The nodes are too few for an index, and without one
on what each snapshot changes PostgreSQL writes no entry of an index for it (HOT).
"""

from typing import ClassVar

from django.db import migrations, models

# Django makes one for each text that is a key. No one asks how an id begins.
LIKE = "scaggr_taskstate_uuid_abf46dbd_like"


class Migration(migrations.Migration):
    """Code of before goes on with it."""

    dependencies: ClassVar = [("scaggr", "0013_verdicts_in_groups")]

    operations: ClassVar = [
        migrations.RunSQL(
            f"DROP INDEX IF EXISTS {LIKE}",
            f"CREATE INDEX IF NOT EXISTS {LIKE} ON scaggr_taskstate (uuid varchar_pattern_ops)",
        ),
        migrations.AlterField("taskstate", "worker", models.CharField(blank=True, max_length=255)),
    ]
