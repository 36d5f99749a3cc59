"""Nodes say what time it is there."""

from typing import ClassVar

from django.db import migrations, models


class Migration(migrations.Migration):
    """A column that may be empty: code which does not know of it goes on until it is restarted."""

    dependencies: ClassVar = [("scaggr", "0007_nodes_and_approved_engines")]
    operations: ClassVar = [
        migrations.AddField(
            model_name="node",
            name="clock",
            field=models.FloatField(
                editable=False,
                help_text="Seconds that its clock is ahead of the master's; empty: it has not said.",
                null=True,
            ),
        ),
    ]
