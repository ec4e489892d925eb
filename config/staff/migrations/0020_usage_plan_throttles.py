"""Every group of staff sees a usage plan's throttles, and Billing changes them with the plan."""

from importlib import import_module

from django.db import migrations

permission_of = import_module("config.staff.migrations.0001_staff_groups").permission_of
THROTTLE = ("metering", "usageplanthrottle")
GROUPS = {"Read-only": ("view",), "Support": ("view",), "Billing": ("view", "add", "change", "delete")}


def let_staff_see_throttles(apps, schema_editor):
    """Add to the groups; what a superuser has given or taken meanwhile stays."""
    groups = apps.get_model("auth", "Group").objects
    for name, verbs in GROUPS.items():
        group, _ = groups.get_or_create(name=name)
        group.permissions.add(*(permission_of(apps, verb, THROTTLE) for verb in verbs))


class Migration(migrations.Migration):
    dependencies = [("staff", "0019_push_delays"), ("metering", "0016_outages")]
    operations = [migrations.RunPython(let_staff_see_throttles, migrations.RunPython.noop)]
