"""Bank transfers: statements of the seller's account, and the invoices that their entries pay."""

from django.apps import AppConfig


class BankingConfig(AppConfig):
    """The app above billing's core: the core keeps payments, this app finds out of a statement what they pay."""

    name = "billing.banking"
    label = "banking"
    default_auto_field = "django.db.models.BigAutoField"
