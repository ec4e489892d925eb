"""Every group of staff sees customers' questions about lines of invoices; Billing decides about them."""

from importlib import import_module

from django.db import migrations

permission_of = import_module("config.staff.migrations.0001_staff_groups").permission_of
QUESTION = ("desk", "linequestion")
GROUPS = {"Read-only": ("view",), "Support": ("view",), "Billing": ("view", "change")}


def let_staff_answer(apps, schema_editor):
    """Add to the groups; what a superuser has given or taken meanwhile stays."""
    groups = apps.get_model("auth", "Group").objects
    for name, verbs in GROUPS.items():
        group, _ = groups.get_or_create(name=name)
        group.permissions.add(*(permission_of(apps, verb, QUESTION) for verb in verbs))


class Migration(migrations.Migration):
    dependencies = [("staff", "0022_notices"), ("desk", "0004_line_questions")]
    operations = [migrations.RunPython(let_staff_answer, migrations.RunPython.noop)]
