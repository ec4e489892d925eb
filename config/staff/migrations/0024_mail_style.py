"""Every group of staff sees how mails look; Billing changes it."""

from importlib import import_module

from django.db import migrations

permission_of = import_module("config.staff.migrations.0001_staff_groups").permission_of
STYLE = ("accounts", "mailstyle")


def let_staff_style_mails(apps, schema_editor):
    """Add to the groups; what a superuser has given or taken meanwhile stays."""
    groups = apps.get_model("auth", "Group").objects
    for name, verbs in (("Read-only", ("view",)), ("Support", ("view",)), ("Billing", ("view", "add", "change"))):
        group, _ = groups.get_or_create(name=name)
        group.permissions.add(*(permission_of(apps, verb, STYLE) for verb in verbs))


class Migration(migrations.Migration):
    dependencies = [("staff", "0023_line_questions"), ("accounts", "0016_mail_style")]
    operations = [migrations.RunPython(let_staff_style_mails, migrations.RunPython.noop)]
