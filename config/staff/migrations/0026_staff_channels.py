"""Every group of staff sees what staff were told; Support and Billing make channels of staff."""

from importlib import import_module

from django.db import migrations

permission_of = import_module("config.staff.migrations.0001_staff_groups").permission_of
NOTICE, CHANNEL = ("channels", "staffnotice"), ("channels", "channel")


def let_staff_have_channels(apps, schema_editor):
    """Add to the groups; what a superuser has given or taken meanwhile stays."""
    groups = apps.get_model("auth", "Group").objects
    for name in ("Read-only", "Support", "Billing"):
        group, _ = groups.get_or_create(name=name)
        group.permissions.add(permission_of(apps, "view", NOTICE))
        if name != "Read-only":
            group.permissions.add(*(permission_of(apps, verb, CHANNEL) for verb in ("add", "change")))


class Migration(migrations.Migration):
    dependencies = [("staff", "0025_channels"), ("channels", "0002_staff_notices")]
    operations = [migrations.RunPython(let_staff_have_channels, migrations.RunPython.noop)]
