"""Every group of staff sees channels and their messages."""

from importlib import import_module

from django.db import migrations

permission_of = import_module("config.staff.migrations.0001_staff_groups").permission_of
CHANNEL, MESSAGE = ("channels", "channel"), ("channels", "channelmessage")


def let_staff_see_channels(apps, schema_editor):
    """Add to the groups; what a superuser has given or taken meanwhile stays."""
    groups = apps.get_model("auth", "Group").objects
    for name in ("Read-only", "Support", "Billing"):
        group, _ = groups.get_or_create(name=name)
        group.permissions.add(*(permission_of(apps, "view", model) for model in (CHANNEL, MESSAGE)))


class Migration(migrations.Migration):
    dependencies = [("staff", "0024_mail_style"), ("channels", "0001_initial")]
    operations = [migrations.RunPython(let_staff_see_channels, migrations.RunPython.noop)]
