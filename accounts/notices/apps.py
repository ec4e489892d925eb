"""What others are told: the outbox of events, mails that go out once, and who wants which."""

from django.apps import AppConfig


class NoticesConfig(AppConfig):
    """The notices app, inside accounts."""

    name = "accounts.notices"
    label = "notices"
    default_auto_field = "django.db.models.BigAutoField"
