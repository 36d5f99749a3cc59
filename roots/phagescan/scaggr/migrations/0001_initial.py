"""The first tables."""

from typing import ClassVar

import django.utils.timezone
from django.db import migrations, models


class Migration(migrations.Migration):
    """Canaries, heartbeats, and what the camera sees."""

    initial = True

    dependencies: ClassVar[list[tuple[str, str]]] = []

    operations: ClassVar = [
        migrations.CreateModel(
            name="Canary",
            fields=[
                ("id", models.UUIDField(primary_key=True, serialize=False)),
                ("sent_at", models.DateTimeField(db_index=True, default=django.utils.timezone.now)),
                ("master_node", models.CharField(blank=True, max_length=255)),
                ("results_node", models.CharField(blank=True, max_length=255)),
                ("hops", models.JSONField(default=dict, help_text="Seconds that each hop took.")),
                (
                    "passed",
                    models.BooleanField(help_text="Unknown until the command that sent it has its verdict.", null=True),
                ),
                ("line", models.TextField(blank=True)),
            ],
            options={
                "verbose_name_plural": "canaries",
                "ordering": ["-sent_at"],
            },
        ),
        migrations.CreateModel(
            name="Heartbeat",
            fields=[
                ("id", models.UUIDField(help_text="The task's id.", primary_key=True, serialize=False)),
                (
                    "number",
                    models.PositiveBigIntegerField(help_text="Counts what was sent: no two rows have the same."),
                ),
                ("sent_at", models.DateTimeField(db_index=True)),
                ("sent_by", models.CharField(max_length=255)),
                ("ran_at", models.DateTimeField(default=django.utils.timezone.now)),
                ("ran_by", models.CharField(max_length=255)),
            ],
            options={
                "ordering": ["-sent_at"],
            },
        ),
        migrations.CreateModel(
            name="TaskState",
            fields=[
                ("uuid", models.CharField(max_length=255, primary_key=True, serialize=False)),
                ("name", models.CharField(blank=True, max_length=255)),
                ("state", models.CharField(max_length=64)),
                ("worker", models.CharField(blank=True, db_index=True, max_length=255)),
                ("received_at", models.DateTimeField(null=True)),
                ("seen_at", models.DateTimeField(db_index=True, help_text="Time of the last event.")),
                ("runtime", models.FloatField(help_text="Seconds.", null=True)),
                ("exception", models.TextField(blank=True)),
            ],
            options={
                "ordering": ["-seen_at"],
            },
        ),
        migrations.CreateModel(
            name="WorkerState",
            fields=[
                ("hostname", models.CharField(max_length=255, primary_key=True, serialize=False, verbose_name="node")),
                ("online", models.BooleanField()),
                ("last_heartbeat", models.DateTimeField(db_index=True, null=True)),
                ("active", models.PositiveIntegerField(default=0, help_text="Tasks that it was running.")),
                (
                    "processed",
                    models.PositiveBigIntegerField(default=0, help_text="Tasks that it has run since its start."),
                ),
                ("software", models.CharField(blank=True, max_length=255)),
            ],
            options={
                "ordering": ["hostname"],
            },
        ),
    ]
