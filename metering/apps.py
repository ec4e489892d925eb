"""Event types, meters, the ledger, usage and limits. Knows no money."""

from django.apps import AppConfig


class MeteringConfig(AppConfig):
    """The metering app."""

    name = "metering"
    default_auto_field = "django.db.models.BigAutoField"
