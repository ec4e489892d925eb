"""Every group of staff sees where keys were found; Support and Billing void what strangers used with them."""

from importlib import import_module

from django.db import migrations

permission_of = import_module("config.staff.migrations.0001_staff_groups").permission_of
LEAK = ("accounts", "keyleak")


def let_staff_see_leaks(apps, schema_editor):
    """Add to the groups; what a superuser has given or taken meanwhile stays."""
    groups = apps.get_model("auth", "Group").objects
    for name, verbs in (("Read-only", ("view",)), ("Support", ("view", "change")), ("Billing", ("view", "change"))):
        group, _ = groups.get_or_create(name=name)
        group.permissions.add(*(permission_of(apps, verb, LEAK) for verb in verbs))


class Migration(migrations.Migration):
    dependencies = [("staff", "0013_product_codes"), ("accounts", "0013_leaked_keys")]
    operations = [migrations.RunPython(let_staff_see_leaks, migrations.RunPython.noop)]
