"""Every group of staff sees refunds through providers, disputes and holds."""

from importlib import import_module

from django.db import migrations

permission_of = import_module("config.staff.migrations.0001_staff_groups").permission_of
SEEN = (("billing", "paymentdispute"), ("billing", "invoicehold"), ("collection", "providerrefund"))


def let_staff_see_what_goes_back(apps, schema_editor):
    """Add to the groups; what a superuser has given or taken meanwhile stays."""
    for name in ("Read-only", "Support", "Billing"):
        group, _ = apps.get_model("auth", "Group").objects.get_or_create(name=name)
        group.permissions.add(*(permission_of(apps, "view", model) for model in SEEN))


class Migration(migrations.Migration):
    dependencies = [
        ("staff", "0014_key_leaks"),
        ("billing", "0022_money_going_back"),
        ("collection", "0004_provider_refunds"),
    ]
    operations = [migrations.RunPython(let_staff_see_what_goes_back, migrations.RunPython.noop)]
