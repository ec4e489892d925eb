"""Every group of staff sees single items and credit that was set off; Billing adds and cancels items."""

from importlib import import_module

from django.db import migrations

permission_of = import_module("config.staff.migrations.0001_staff_groups").permission_of
ITEM = ("billing", "singleitem")


def let_staff_add_items(apps, schema_editor):
    """Add to the groups; what a superuser has given or taken meanwhile stays."""
    groups = apps.get_model("auth", "Group").objects
    for name in ("Read-only", "Support", "Billing"):
        group, _ = groups.get_or_create(name=name)
        group.permissions.add(
            permission_of(apps, "view", ITEM), permission_of(apps, "view", ("billing", "creditsetoff"))
        )
    billing, _ = groups.get_or_create(name="Billing")
    billing.permissions.add(permission_of(apps, "add", ITEM), permission_of(apps, "change", ITEM))


class Migration(migrations.Migration):
    dependencies = [("staff", "0011_approvals"), ("billing", "0017_next_invoice_items")]
    operations = [migrations.RunPython(let_staff_add_items, migrations.RunPython.noop)]
