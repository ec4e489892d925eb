"""Channels: notices sent to Slack, Discord, Teams, webhooks and others, with quiet hours and a daily digest."""

from django.apps import AppConfig


class ChannelsConfig(AppConfig):
    """The channels app, inside accounts."""

    name = "accounts.channels"
    label = "channels"
    default_auto_field = "django.db.models.BigAutoField"
