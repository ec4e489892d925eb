"""Every group of staff sees the exchange rates; the Billing group adds them."""

from importlib import import_module

from django.db import migrations

permission_of = import_module("config.staff.migrations.0001_staff_groups").permission_of
RATE = ("billing", "exchangerate")


def let_staff_see_rates(apps, schema_editor):
    """Add to the groups; what a superuser has given or taken meanwhile stays."""
    groups = apps.get_model("auth", "Group").objects
    for name in ("Read-only", "Support", "Billing"):
        group, _ = groups.get_or_create(name=name)
        group.permissions.add(permission_of(apps, "view", RATE))
    billing = groups.get(name="Billing")
    billing.permissions.add(permission_of(apps, "add", RATE))


class Migration(migrations.Migration):
    dependencies = [("staff", "0008_tax_registrations"), ("billing", "0008_exchange_rates")]
    operations = [migrations.RunPython(let_staff_see_rates, migrations.RunPython.noop)]
