"""What turns usage into money."""

from django.apps import AppConfig


class BillingConfig(AppConfig):
    """The billing app."""

    name = "billing"
    default_auto_field = "django.db.models.BigAutoField"
