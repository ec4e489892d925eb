"""Closing a tenant for good is a permission of its own: the Billing group has it, the Support group does not."""

from importlib import import_module

from django.db import migrations

permission_of = import_module("config.staff.migrations.0001_staff_groups").permission_of
TENANT = ("accounts", "tenant")


def let_billing_close(apps, schema_editor):
    """Add to the group; what a superuser has given or taken meanwhile stays."""
    group, _ = apps.get_model("auth", "Group").objects.get_or_create(name="Billing")
    group.permissions.add(permission_of(apps, "close_tenant", TENANT))


class Migration(migrations.Migration):
    dependencies = [("staff", "0004_circuits"), ("accounts", "0008_close_tenant")]
    operations = [migrations.RunPython(let_billing_close, migrations.RunPython.noop)]
