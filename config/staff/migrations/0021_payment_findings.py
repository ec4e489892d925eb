"""Every group of staff sees what reconciliation with providers found; Billing settles it."""

from importlib import import_module

from django.db import migrations

permission_of = import_module("config.staff.migrations.0001_staff_groups").permission_of
FINDING = ("collection", "paymentfinding")


def let_staff_reconcile(apps, schema_editor):
    """Add to the groups; what a superuser has given or taken meanwhile stays."""
    groups = apps.get_model("auth", "Group").objects
    for name in ("Read-only", "Support", "Billing"):
        group, _ = groups.get_or_create(name=name)
        group.permissions.add(permission_of(apps, "view", FINDING))
    billing, _ = groups.get_or_create(name="Billing")
    billing.permissions.add(permission_of(apps, "change", FINDING))


class Migration(migrations.Migration):
    dependencies = [("staff", "0020_usage_plan_throttles"), ("collection", "0007_payment_findings")]
    operations = [migrations.RunPython(let_staff_reconcile, migrations.RunPython.noop)]
