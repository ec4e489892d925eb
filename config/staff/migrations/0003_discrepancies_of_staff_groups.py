"""Let all of staff see what checks found, and those who bill accept it."""

from importlib import import_module

from django.db import migrations

permission_of = import_module("config.staff.migrations.0001_staff_groups").permission_of


def let_staff_see_discrepancies(apps, schema_editor):
    """Add to the groups; what a superuser has given or taken meanwhile stays."""
    target = ("accounts", "discrepancy")
    seen, changed = permission_of(apps, "view", target), permission_of(apps, "change", target)
    for name, permissions in {"Read-only": [seen], "Support": [seen], "Billing": [seen, changed]}.items():
        group, _ = apps.get_model("auth", "Group").objects.get_or_create(name=name)
        group.permissions.add(*permissions)


class Migration(migrations.Migration):
    dependencies = [("staff", "0002_money_of_staff_groups"), ("accounts", "0005_discrepancies")]
    operations = [migrations.RunPython(let_staff_see_discrepancies, migrations.RunPython.noop)]
