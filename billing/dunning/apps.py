"""Following up unpaid invoices: when they are charged again, what is mailed, and what the customer may still do."""

from django.apps import AppConfig


class DunningConfig(AppConfig):
    """The app above collection: collection charges an invoice once, this app decides when it is charged again."""

    name = "billing.dunning"
    label = "dunning"
    default_auto_field = "django.db.models.BigAutoField"
