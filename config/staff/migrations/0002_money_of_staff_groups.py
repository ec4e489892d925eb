"""What each group of staff may do with money: everybody sees it, the Billing group acts on it."""

from importlib import import_module

from django.db import migrations

permission_of = import_module("config.staff.migrations.0001_staff_groups").permission_of

SEEN = (
    "plan", "planversion", "price", "taxrate", "issuer", "numberseries", "billingprofile", "subscription", "subscriptionphase",
    "billingexception", "invoice", "invoiceline", "invoicedocument", "creditnote", "payment",
)
SEEN_OF_COLLECTION = ("inboxevent", "provideragreement", "providercustomer", "providerinvoice", "usagepush")
ACTED_ON = {
    "add": ("plan", "planversion", "taxrate", "subscription", "invoice", "creditnote", "payment"),
    "change": (
        "plan", "taxrate", "issuer", "billingprofile", "subscription", "invoice", "billingexception",
    ),
    "delete": ("taxrate",),
}
NOTICES_SEEN = ("outboxevent", "outboundmail", "mailpreference")


def let_staff_see_money(apps, schema_editor):
    """Add to the groups; what a superuser has given or taken meanwhile stays."""
    seen = [permission_of(apps, "view", ("billing", name)) for name in SEEN]
    seen.append(permission_of(apps, "view", ("alerts", "thresholdalert")))
    seen += [permission_of(apps, "view", ("notices", name)) for name in NOTICES_SEEN]
    seen += [permission_of(apps, "view", ("collection", name)) for name in SEEN_OF_COLLECTION]
    acted_on = [permission_of(apps, verb, ("billing", name)) for verb, names in ACTED_ON.items() for name in names]
    acted_on.append(permission_of(apps, "change", ("notices", "outboundmail")))
    acted_on.append(permission_of(apps, "change", ("collection", "inboxevent")))
    for name, permissions in {"Read-only": seen, "Support": seen, "Billing": [*seen, *acted_on]}.items():
        group, _ = apps.get_model("auth", "Group").objects.get_or_create(name=name)
        group.permissions.add(*permissions)


class Migration(migrations.Migration):
    dependencies = [("staff", "0001_staff_groups"), ("billing", "0002_immutability"), ("notices", "0001_initial"), ("collection", "0001_initial"), ("alerts", "0001_initial")]
    operations = [migrations.RunPython(let_staff_see_money, migrations.RunPython.noop)]
