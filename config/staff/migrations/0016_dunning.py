"""Every group of staff sees dunning; Billing pauses and resumes it, and edits schedules."""

from importlib import import_module

from django.db import migrations

permission_of = import_module("config.staff.migrations.0001_staff_groups").permission_of
SEEN = ("dunningcase", "dunningstep", "dunningpause", "dunningschedule", "plandunning")


def let_staff_dun(apps, schema_editor):
    """Add to the groups; what a superuser has given or taken meanwhile stays."""
    groups = apps.get_model("auth", "Group").objects
    for name in ("Read-only", "Support", "Billing"):
        group, _ = groups.get_or_create(name=name)
        group.permissions.add(*(permission_of(apps, "view", ("dunning", model)) for model in SEEN))
    billing, _ = groups.get_or_create(name="Billing")
    billing.permissions.add(
        permission_of(apps, "add", ("dunning", "dunningpause")),
        permission_of(apps, "change", ("dunning", "dunningpause")),
        *(
            permission_of(apps, verb, ("dunning", model))
            for model in ("dunningschedule", "plandunning")
            for verb in ("add", "change", "delete")
        ),
    )


class Migration(migrations.Migration):
    dependencies = [("staff", "0015_money_going_back"), ("dunning", "0001_initial")]
    operations = [migrations.RunPython(let_staff_dun, migrations.RunPython.noop)]
