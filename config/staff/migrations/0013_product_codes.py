"""Every group of staff sees product codes; Billing maps them."""

from importlib import import_module

from django.db import migrations

permission_of = import_module("config.staff.migrations.0001_staff_groups").permission_of
CODE = ("metering", "productcode")


def let_staff_map_product_codes(apps, schema_editor):
    """Add to the groups; what a superuser has given or taken meanwhile stays."""
    groups = apps.get_model("auth", "Group").objects
    for name in ("Read-only", "Support", "Billing"):
        group, _ = groups.get_or_create(name=name)
        group.permissions.add(permission_of(apps, "view", CODE))
    billing, _ = groups.get_or_create(name="Billing")
    for verb in ("add", "change", "delete"):
        billing.permissions.add(permission_of(apps, verb, CODE))


class Migration(migrations.Migration):
    dependencies = [("staff", "0012_single_items"), ("metering", "0010_productcode")]
    operations = [migrations.RunPython(let_staff_map_product_codes, migrations.RunPython.noop)]
