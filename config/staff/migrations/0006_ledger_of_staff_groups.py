"""Every group of staff sees the ledger of accounts and its reports; the Billing group closes months."""

from importlib import import_module

from django.db import migrations

permission_of = import_module("config.staff.migrations.0001_staff_groups").permission_of
SEEN = ("journalentry", "posting", "closedmonth")


def let_staff_see_the_books(apps, schema_editor):
    """Add to the groups; what a superuser has given or taken meanwhile stays."""
    seen = [permission_of(apps, "view", ("ledger", name)) for name in SEEN]
    closes = permission_of(apps, "add", ("ledger", "closedmonth"))
    for name, permissions in {"Read-only": seen, "Support": seen, "Billing": [*seen, closes]}.items():
        group, _ = apps.get_model("auth", "Group").objects.get_or_create(name=name)
        group.permissions.add(*permissions)


class Migration(migrations.Migration):
    dependencies = [("staff", "0005_close_tenant"), ("ledger", "0001_initial")]
    operations = [migrations.RunPython(let_staff_see_the_books, migrations.RunPython.noop)]
