"""Every group of staff sees webhooks; Support and Billing send a delivery again."""

from importlib import import_module

from django.db import migrations

permission_of = import_module("config.staff.migrations.0001_staff_groups").permission_of
ENDPOINT, DELIVERY = ("webhooks", "webhookendpoint"), ("webhooks", "webhookdelivery")
ATTEMPT = ("webhooks", "webhookattempt")


def let_staff_see_webhooks(apps, schema_editor):
    """Add to the groups; what a superuser has given or taken meanwhile stays."""
    groups = apps.get_model("auth", "Group").objects
    for name, verbs in (("Read-only", ("view",)), ("Support", ("view", "change")), ("Billing", ("view", "change"))):
        group, _ = groups.get_or_create(name=name)
        group.permissions.add(*(permission_of(apps, "view", model) for model in (ENDPOINT, DELIVERY, ATTEMPT)))
        group.permissions.add(*(permission_of(apps, verb, DELIVERY) for verb in verbs))


class Migration(migrations.Migration):
    dependencies = [("staff", "0017_banking"), ("webhooks", "0001_initial")]
    operations = [migrations.RunPython(let_staff_see_webhooks, migrations.RunPython.noop)]
