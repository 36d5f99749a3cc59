"""To download samples takes a permission, and tokens expire: those that are there do not."""

from typing import ClassVar

from django.db import migrations, models


class Migration(migrations.Migration):
    """A column that may be empty: code which does not know of it goes on until it is restarted."""

    dependencies: ClassVar = [("scaggr", "0005_verdict_fetch_key")]
    operations: ClassVar = [
        migrations.AlterModelOptions(
            name="sample",
            options={"ordering": ["-first_seen"], "permissions": [("download_sample", "Can download samples")]},
        ),
        migrations.AddField(
            model_name="apitoken",
            name="expires_at",
            field=models.DateTimeField(null=True, help_text="From then on it is refused; without a date it never is."),
        ),
    ]
