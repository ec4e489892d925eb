"""Every group of staff sees what was said of tax ids."""

from importlib import import_module

from django.db import migrations

permission_of = import_module("config.staff.migrations.0001_staff_groups").permission_of
CHECK = ("billing", "taxidcheck")


def let_staff_see_checks(apps, schema_editor):
    """Add to the groups; what a superuser has given or taken meanwhile stays."""
    groups = apps.get_model("auth", "Group").objects
    for name in ("Read-only", "Support", "Billing"):
        group, _ = groups.get_or_create(name=name)
        group.permissions.add(permission_of(apps, "view", CHECK))


class Migration(migrations.Migration):
    dependencies = [("staff", "0009_exchange_rates"), ("billing", "0009_tax_id_checks")]
    operations = [migrations.RunPython(let_staff_see_checks, migrations.RunPython.noop)]
