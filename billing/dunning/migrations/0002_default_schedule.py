"""The schedule that every plan follows until staff give it another one. Its days are those of `ScheduleTerms`."""

from django.db import migrations
from django.utils import timezone


def add_default(apps, schema_editor):
    """Add it, unless there is one."""
    schedules = apps.get_model("dunning", "DunningSchedule").objects
    if not schedules.filter(is_default=True).exists():
        schedules.create(
            name="Default",
            is_default=True,
            retry_days=[1, 3, 5, 7],
            reminder_days=[1, 7, 14],
            suspend_on_day=14,
            cancel_on_day=30,
            warn_before_days=3,
            created_at=timezone.now(),
        )


class Migration(migrations.Migration):
    dependencies = [("dunning", "0001_initial")]
    operations = [migrations.RunPython(add_default, migrations.RunPython.noop)]
