"""Every group of staff sees budgets, own thresholds and anomalies of customers. Nobody of staff changes them."""

from importlib import import_module

from django.db import migrations

permission_of = import_module("config.staff.migrations.0001_staff_groups").permission_of
SEEN = (("metering", "budget"), ("alerts", "anomalyalert"), ("alerts", "ownthreshold"))


def let_staff_see(apps, schema_editor):
    """Add to the groups; what a superuser has given or taken meanwhile stays."""
    groups = apps.get_model("auth", "Group").objects
    for name in ("Read-only", "Support", "Billing"):
        group, _ = groups.get_or_create(name=name)
        group.permissions.add(*(permission_of(apps, "view", target) for target in SEEN))


class Migration(migrations.Migration):
    dependencies = [("staff", "0027_pricing_questions"), ("metering", "0017_budgets"), ("alerts", "0007_own_thresholds")]
    operations = [migrations.RunPython(let_staff_see, migrations.RunPython.noop)]
