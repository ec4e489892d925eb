"""What staff do by hand: approvals by a colleague, and what is written off."""

from django.apps import AppConfig


class DeskConfig(AppConfig):
    """The app above billing's core: the core keeps documents and money, and knows nothing of who decides about them."""

    name = "billing.desk"
    label = "desk"
    default_auto_field = "django.db.models.BigAutoField"
