"""SQL over the ledger, and sealed months as open tables that any engine reads. Knows no money."""

from django.apps import AppConfig


class LakeConfig(AppConfig):
    """The lake app, inside metering."""

    name = "metering.lake"
    label = "lake"
    default_auto_field = "django.db.models.BigAutoField"
