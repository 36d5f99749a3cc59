"""Nodes are bound to logins, and engines are approved: those that are known are."""

from typing import ClassVar

import django.utils.timezone
from django.apps.registry import Apps
from django.db import migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor


def approve(apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    """Approve what has been announced so far."""
    names = apps.get_model("scaggr", "Engine").objects.order_by().values_list("name", flat=True).distinct()
    approved = apps.get_model("scaggr", "ApprovedEngine")
    approved.objects.bulk_create([approved(name=name) for name in names])


class Migration(migrations.Migration):
    """New tables: code which does not know of them goes on until it is restarted."""

    dependencies: ClassVar = [("scaggr", "0006_download_and_expiry")]
    operations: ClassVar = [
        migrations.CreateModel(
            name="ApprovedEngine",
            fields=[
                ("name", models.CharField(max_length=64, primary_key=True, serialize=False)),
                ("approved_at", models.DateTimeField(default=django.utils.timezone.now, editable=False)),
            ],
            options={"ordering": ["name"]},
        ),
        migrations.CreateModel(
            name="Node",
            fields=[
                ("hostname", models.CharField(max_length=255, primary_key=True, serialize=False)),
                (
                    "login",
                    models.CharField(blank=True, help_text="Empty: of a worker of release 1.0.", max_length=255),
                ),
                ("since", models.DateTimeField(default=django.utils.timezone.now, editable=False)),
            ],
            options={"ordering": ["hostname"]},
        ),
        migrations.RunPython(approve, migrations.RunPython.noop),
    ]
