"""Every group of staff sees the questions on the pricing page; Billing writes them."""

from importlib import import_module

from django.db import migrations

permission_of = import_module("config.staff.migrations.0001_staff_groups").permission_of
QUESTION = ("billing", "pricingquestion")
GROUPS = {"Read-only": ("view",), "Support": ("view",), "Billing": ("view", "add", "change", "delete")}


def let_staff_write(apps, schema_editor):
    """Add to the groups; what a superuser has given or taken meanwhile stays."""
    groups = apps.get_model("auth", "Group").objects
    for name, verbs in GROUPS.items():
        group, _ = groups.get_or_create(name=name)
        group.permissions.add(*(permission_of(apps, verb, QUESTION) for verb in verbs))


class Migration(migrations.Migration):
    dependencies = [("staff", "0026_staff_channels"), ("billing", "0023_pricing_page")]
    operations = [migrations.RunPython(let_staff_write, migrations.RunPython.noop)]
