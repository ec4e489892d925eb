"""Every group of staff sees where the seller is registered; the Billing group keeps it."""

from importlib import import_module

from django.db import migrations

permission_of = import_module("config.staff.migrations.0001_staff_groups").permission_of
REGISTRATION = ("billing", "taxregistration")


def let_staff_see_registrations(apps, schema_editor):
    """Add to the groups; what a superuser has given or taken meanwhile stays."""
    groups = apps.get_model("auth", "Group").objects
    for name in ("Read-only", "Support", "Billing"):
        group, _ = groups.get_or_create(name=name)
        group.permissions.add(permission_of(apps, "view", REGISTRATION))
    billing = groups.get(name="Billing")
    billing.permissions.add(*(permission_of(apps, verb, REGISTRATION) for verb in ("add", "change", "delete")))


class Migration(migrations.Migration):
    dependencies = [("staff", "0007_refunds"), ("billing", "0007_tax_rules")]
    operations = [migrations.RunPython(let_staff_see_registrations, migrations.RunPython.noop)]
