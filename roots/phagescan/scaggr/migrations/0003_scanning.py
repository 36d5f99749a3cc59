"""Samples, runs, verdicts, engines, API tokens. The extension hstore is Salt's to make (postgresql:databases)."""

import uuid
from typing import ClassVar

import django.contrib.postgres.fields.hstore
import django.contrib.postgres.indexes
import django.db.models.deletion
import django.utils.timezone
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    """Tables of the scanning application."""

    dependencies: ClassVar = [
        ("scaggr", "0002_schedule"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations: ClassVar = [
        migrations.CreateModel(
            name="Sample",
            fields=[
                ("sha256", models.CharField(max_length=64, primary_key=True, serialize=False, verbose_name="SHA-256")),
                ("sha1", models.CharField(db_index=True, max_length=40, verbose_name="SHA-1")),
                ("md5", models.CharField(db_index=True, max_length=32, verbose_name="MD5")),
                ("size", models.PositiveBigIntegerField(help_text="Bytes.")),
                ("first_seen", models.DateTimeField(db_index=True, default=django.utils.timezone.now)),
            ],
            options={
                "ordering": ["-first_seen"],
            },
        ),
        migrations.CreateModel(
            name="ApiToken",
            fields=[
                (
                    "digest",
                    models.CharField(
                        max_length=64, primary_key=True, serialize=False, verbose_name="SHA-256 of the token"
                    ),
                ),
                ("created_at", models.DateTimeField(default=django.utils.timezone.now)),
                ("last_used_at", models.DateTimeField(null=True)),
                (
                    "user",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="api_tokens",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "verbose_name": "API token",
                "ordering": ["-created_at"],
            },
        ),
        migrations.CreateModel(
            name="Engine",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("name", models.CharField(max_length=64)),
                ("worker", models.CharField(help_text="The node that runs it.", max_length=255)),
                ("kind", models.CharField(choices=[("evilness", "evilness"), ("metadata", "metadata")], max_length=16)),
                ("version", models.CharField(blank=True, max_length=255)),
                ("problem", models.TextField(blank=True, help_text="What its self-test found; empty when it works.")),
                ("announced_at", models.DateTimeField(default=django.utils.timezone.now)),
                (
                    "live",
                    models.BooleanField(default=True, help_text="It works, and its worker has announced it lately."),
                ),
            ],
            options={
                "ordering": ["name", "worker"],
                "constraints": [models.UniqueConstraint(fields=("name", "worker"), name="engine_once")],
            },
        ),
        migrations.CreateModel(
            name="ScanRun",
            fields=[
                ("id", models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ("name", models.CharField(help_text="The file's name, without its path.", max_length=255)),
                ("created_at", models.DateTimeField(db_index=True, default=django.utils.timezone.now)),
                ("dispatched_at", models.DateTimeField(help_text="When its tasks were sent.", null=True)),
                (
                    "finished_at",
                    models.DateTimeField(
                        help_text="When its last verdict came, or was waited for no longer.", null=True
                    ),
                ),
                (
                    "sample",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="runs", to="scaggr.sample"
                    ),
                ),
                (
                    "submitted_by",
                    models.ForeignKey(
                        null=True, on_delete=django.db.models.deletion.SET_NULL, to=settings.AUTH_USER_MODEL
                    ),
                ),
            ],
            options={
                "ordering": ["-created_at"],
            },
        ),
        migrations.CreateModel(
            name="Verdict",
            fields=[
                ("id", models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ("engine", models.CharField(max_length=64)),
                ("engine_version", models.CharField(blank=True, max_length=255)),
                (
                    "outcome",
                    models.CharField(
                        choices=[
                            ("pending", "pending"),
                            ("infected", "infected"),
                            ("clean", "clean"),
                            ("described", "described"),
                            ("error", "error"),
                            ("timed_out", "timed out"),
                        ],
                        default="pending",
                        max_length=16,
                    ),
                ),
                ("name", models.CharField(blank=True, db_index=True, max_length=255, verbose_name="threat")),
                ("error", models.TextField(blank=True, help_text="Why there is no better outcome.")),
                (
                    "metadata",
                    django.contrib.postgres.fields.hstore.HStoreField(
                        default=dict, help_text="What else the engine found, key by key."
                    ),
                ),
                ("duration", models.FloatField(help_text="Seconds that the engine took.", null=True)),
                (
                    "attempts",
                    models.PositiveSmallIntegerField(
                        default=0, help_text="How often a worker began to fetch the sample for it."
                    ),
                ),
                (
                    "delivery",
                    models.CharField(
                        blank=True, help_text="The number of the message's delivery that fetched last.", max_length=32
                    ),
                ),
                (
                    "worker",
                    models.CharField(
                        blank=True, help_text="The node that gave it; empty where the master did.", max_length=255
                    ),
                ),
                ("answered_at", models.DateTimeField(null=True)),
                (
                    "run",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="verdicts", to="scaggr.scanrun"
                    ),
                ),
            ],
            options={
                "ordering": ["engine"],
            },
        ),
        migrations.AddIndex(
            model_name="scanrun",
            index=models.Index(models.F("created_at"), condition=models.Q(("finished_at", None)), name="scanrun_open"),
        ),
        migrations.AddIndex(
            model_name="verdict",
            index=django.contrib.postgres.indexes.GinIndex(fields=["metadata"], name="verdict_metadata"),
        ),
        migrations.AddConstraint(
            model_name="verdict",
            constraint=models.UniqueConstraint(fields=("run", "engine"), name="verdict_once"),
        ),
    ]
