"""Webhooks out: endpoints of tenants, and the deliveries of the outbox's events to them."""

from django.apps import AppConfig


class WebhooksConfig(AppConfig):
    """The webhooks app, inside accounts."""

    name = "accounts.webhooks"
    label = "webhooks"
    default_auto_field = "django.db.models.BigAutoField"
