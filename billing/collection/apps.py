"""Collecting what is invoiced: payment providers, each behind a gateway of its own."""

from django.apps import AppConfig


class CollectionConfig(AppConfig):
    """The app above billing's core: what it knows of a provider, the core does not."""

    name = "billing.collection"
    label = "collection"
    default_auto_field = "django.db.models.BigAutoField"
