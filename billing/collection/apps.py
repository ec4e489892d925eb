"""Collecting invoices through payment providers, each behind a gateway of its own."""

from django.apps import AppConfig


class CollectionConfig(AppConfig):
    """The app above billing's core, which knows no provider."""

    name = "billing.collection"
    label = "collection"
    default_auto_field = "django.db.models.BigAutoField"
