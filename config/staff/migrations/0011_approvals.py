"""Every group of staff sees requests for approval and write-offs; Billing decides about what a colleague asks for."""

from importlib import import_module

from django.db import migrations

permission_of = import_module("config.staff.migrations.0001_staff_groups").permission_of
APPROVAL = ("desk", "approval")


def let_staff_approve(apps, schema_editor):
    """Add to the groups; what a superuser has given or taken meanwhile stays."""
    groups = apps.get_model("auth", "Group").objects
    for name in ("Read-only", "Support", "Billing"):
        group, _ = groups.get_or_create(name=name)
        group.permissions.add(permission_of(apps, "view", APPROVAL), permission_of(apps, "view", ("desk", "writeoff")))
    billing, _ = groups.get_or_create(name="Billing")
    billing.permissions.add(permission_of(apps, "change", APPROVAL))


class Migration(migrations.Migration):
    dependencies = [("staff", "0010_tax_id_checks"), ("desk", "0001_initial")]
    operations = [migrations.RunPython(let_staff_approve, migrations.RunPython.noop)]
