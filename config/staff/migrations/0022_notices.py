"""Every group of staff sees notices."""

from importlib import import_module

from django.db import migrations

permission_of = import_module("config.staff.migrations.0001_staff_groups").permission_of
NOTICE = ("notices", "notice")


def let_staff_see_notices(apps, schema_editor):
    """Add to the groups; what a superuser has given or taken meanwhile stays."""
    groups = apps.get_model("auth", "Group").objects
    for name in ("Read-only", "Support", "Billing"):
        group, _ = groups.get_or_create(name=name)
        group.permissions.add(permission_of(apps, "view", NOTICE))


class Migration(migrations.Migration):
    dependencies = [("staff", "0021_payment_findings"), ("notices", "0004_notices")]
    operations = [migrations.RunPython(let_staff_see_notices, migrations.RunPython.noop)]
