"""The schedule of the periodic tasks. From here on it belongs to the Admin UI."""

from typing import ClassVar

from django.apps.registry import Apps
from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.utils import timezone

SCHEDULE = (
    ("Heartbeat", "scaggr.heartbeat", 30, "Records which beat sends and which node runs the periodic tasks."),
    ("Prune", "scaggr.prune", 6 * 3600, "Removes old records."),
)


def create_schedule(apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    """Add each task, sent every so many seconds. A run that no worker took until the next one is due is dropped."""
    periods = apps.get_model("django_celery_beat", "IntervalSchedule").objects
    tasks = apps.get_model("django_celery_beat", "PeriodicTask").objects
    for name, task, seconds, description in SCHEDULE:
        interval, _ = periods.get_or_create(every=seconds, period="seconds")
        values = {"task": task, "interval": interval, "expire_seconds": seconds, "description": description}
        tasks.get_or_create(name=name, defaults=values)
    # A running beat compares this date with the one it knows, and would not notice the first change if there were none.
    apps.get_model("django_celery_beat", "PeriodicTasks").objects.update_or_create(
        ident=1, defaults={"last_update": timezone.now()}
    )


def remove_schedule(apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    """Take the tasks away again."""
    apps.get_model("django_celery_beat", "PeriodicTask").objects.filter(name__in=[row[0] for row in SCHEDULE]).delete()


class Migration(migrations.Migration):
    """Rows only."""

    dependencies: ClassVar = [
        ("scaggr", "0001_initial"),
        ("django_celery_beat", "0019_alter_periodictasks_options"),
    ]
    operations: ClassVar = [migrations.RunPython(create_schedule, remove_schedule)]
