"""Every group of staff sees whether payment providers and the mail server answer."""

from importlib import import_module

from django.db import migrations

permission_of = import_module("config.staff.migrations.0001_staff_groups").permission_of


def let_staff_see_circuits(apps, schema_editor):
    """Add to the groups; what a superuser has given or taken meanwhile stays."""
    permission = permission_of(apps, "view", ("accounts", "circuit"))
    for name in ("Read-only", "Support", "Billing"):
        group, _ = apps.get_model("auth", "Group").objects.get_or_create(name=name)
        group.permissions.add(permission)


class Migration(migrations.Migration):
    dependencies = [("staff", "0003_discrepancies_of_staff_groups"), ("accounts", "0007_circuit")]
    operations = [migrations.RunPython(let_staff_see_circuits, migrations.RunPython.noop)]
