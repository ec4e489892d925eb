"""Notices: the outbox of events, mails that are sent once, and the preferences for them."""

from django.apps import AppConfig


class NoticesConfig(AppConfig):
    """The notices app, inside accounts."""

    name = "accounts.notices"
    label = "notices"
    default_auto_field = "django.db.models.BigAutoField"
