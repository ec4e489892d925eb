"""Every group of staff sees the invoices that a provider did not take."""

from importlib import import_module

from django.db import migrations

permission_of = import_module("config.staff.migrations.0001_staff_groups").permission_of


def let_staff_see_delays(apps, schema_editor):
    """Add to the groups; what a superuser has given or taken meanwhile stays."""
    for name in ("Read-only", "Support", "Billing"):
        group, _ = apps.get_model("auth", "Group").objects.get_or_create(name=name)
        group.permissions.add(permission_of(apps, "view", ("collection", "pushdelay")))


class Migration(migrations.Migration):
    dependencies = [("staff", "0018_webhooks"), ("collection", "0006_push_delays")]
    operations = [migrations.RunPython(let_staff_see_delays, migrations.RunPython.noop)]
