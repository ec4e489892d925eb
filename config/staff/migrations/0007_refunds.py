"""Every group of staff sees what payments pay for and what was given back."""

from importlib import import_module

from django.db import migrations

permission_of = import_module("config.staff.migrations.0001_staff_groups").permission_of


def let_staff_see_refunds(apps, schema_editor):
    """Add to the groups; what a superuser has given or taken meanwhile stays."""
    for name in ("Read-only", "Support", "Billing"):
        group, _ = apps.get_model("auth", "Group").objects.get_or_create(name=name)
        for model in ("paymentallocation", "paymentrefund"):
            group.permissions.add(permission_of(apps, "view", ("billing", model)))


class Migration(migrations.Migration):
    dependencies = [("staff", "0006_ledger_of_staff_groups"), ("billing", "0006_payments")]
    operations = [migrations.RunPython(let_staff_see_refunds, migrations.RunPython.noop)]
