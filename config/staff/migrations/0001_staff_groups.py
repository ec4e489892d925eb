"""The groups of staff, and what each may do in the admin.

Django makes permissions after all migrations, so on a fresh database they are missing here: each is made where it is not there yet,
under the name that Django would give it.
"""

from django.db import migrations

CUSTOMERS = [("accounts", name) for name in ("tenant", "membership", "invitation", "apikey", "auditentry", "user")]
METERING = [
    ("metering", name)
    for name in ("eventtype", "meter", "usageplan", "usageplanquota", "usageplanassignment", "event", "ingestverdict")
]
OPERATIONS = [("accounts", "jobrun"), ("django_q", "schedule"), ("django_q", "success"), ("django_q", "failure"), ("django_q", "ormq")]
STRIPE = [
    ("djstripe", name)
    for name in (
        "account", "charge", "customer", "event", "invoice", "paymentintent", "paymentmethod", "price", "product", "refund",
        "subscription",
    )
]
EVERYTHING = [*CUSTOMERS, *METERING, *OPERATIONS, *STRIPE, ("account", "emailaddress")]

GROUPS = {
    "Read-only": [("view", target) for target in EVERYTHING],
    "Support": [
        *(("view", target) for target in EVERYTHING),
        ("change", ("accounts", "tenant")),
        ("change", ("accounts", "apikey")),
        ("change", ("account", "emailaddress")),
        ("change", ("django_q", "schedule")),
        ("change", ("django_q", "failure")),
        ("view", ("mfa", "authenticator")),
        ("view", ("usersessions", "usersession")),
        ("view_as_customer", ("accounts", "tenant")),
    ],
    "Billing": [
        *(("view", target) for target in EVERYTHING),
        ("change", ("accounts", "tenant")),
        *((verb, ("metering", name)) for name in ("usageplan", "usageplanquota", "usageplanassignment") for verb in ("add", "change", "delete")),
    ],
}


def permission_of(apps, verb, target):
    """The permission, made where it is missing. A verb that is a whole codename stands for itself."""
    app_label, model_name = target
    content_type, _ = apps.get_model("contenttypes", "ContentType").objects.get_or_create(app_label=app_label, model=model_name)
    model = apps.get_model(app_label, model_name)
    extra = dict(model._meta.permissions)
    codename = verb if verb in extra else f"{verb}_{model_name}"
    name = extra.get(verb) or f"Can {verb} {model._meta.verbose_name_raw}"
    permission, _ = apps.get_model("auth", "Permission").objects.get_or_create(
        content_type=content_type, codename=codename, defaults={"name": name}
    )
    return permission


def make_groups(apps, schema_editor):
    """Make each group with its permissions; one that an operator made before keeps what it has and gains these."""
    for name, permissions in GROUPS.items():
        group, _ = apps.get_model("auth", "Group").objects.get_or_create(name=name)
        group.permissions.add(*(permission_of(apps, verb, target) for verb, target in permissions))


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0002_cache_table"),
        ("metering", "0002_ledger"),
        ("djstripe", "0001_initial"),
        ("django_q", "0019_alter_task_options_alter_ormq_key_alter_ormq_lock_and_more"),
        ("account", "0009_emailaddress_unique_primary_email"),
        ("mfa", "0003_authenticator_type_uniq"),
        ("usersessions", "0001_initial"),
        ("auth", "0012_alter_user_first_name_max_length"),
        ("contenttypes", "0002_remove_content_type_name"),
    ]
    operations = [migrations.RunPython(make_groups, migrations.RunPython.noop)]
