"""Every group of staff sees bank statements; Billing imports them and decides about their entries."""

from importlib import import_module

from django.db import migrations

permission_of = import_module("config.staff.migrations.0001_staff_groups").permission_of


def let_staff_bank(apps, schema_editor):
    """Add to the groups; what a superuser has given or taken meanwhile stays."""
    groups = apps.get_model("auth", "Group").objects
    models = [("banking", "bankentry"), ("banking", "bankstatement")]
    for name in ("Read-only", "Support", "Billing"):
        group, _ = groups.get_or_create(name=name)
        group.permissions.add(*(permission_of(apps, "view", model) for model in models))
    billing, _ = groups.get_or_create(name="Billing")
    billing.permissions.add(
        permission_of(apps, "add", ("banking", "bankstatement")), permission_of(apps, "change", ("banking", "bankentry"))
    )


class Migration(migrations.Migration):
    dependencies = [("staff", "0016_dunning"), ("banking", "0001_initial")]
    operations = [migrations.RunPython(let_staff_bank, migrations.RunPython.noop)]
