"""The nodes are too few for an index; without one on what each snapshot changes none is written to (HOT)."""

from typing import ClassVar

from django.db import migrations, models


class Migration(migrations.Migration):
    """Code of before goes on with it. By itself: the camera writes nodes and tasks in one transaction."""

    dependencies: ClassVar = [("scaggr", "0014_task_indexes")]

    operations: ClassVar = [
        migrations.AlterField("workerstate", "last_heartbeat", models.DateTimeField(null=True)),
        migrations.AlterField(
            "workerstate",
            "active",
            models.PositiveIntegerField(db_default=0, default=0, help_text="Tasks that it was running."),
        ),
        migrations.AlterField(
            "workerstate",
            "processed",
            models.PositiveBigIntegerField(db_default=0, default=0, help_text="Tasks that it has run since its start."),
        ),
    ]
