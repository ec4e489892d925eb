"""The ledger of accounts: what every document and every payment posts to."""

from django.apps import AppConfig


class LedgerConfig(AppConfig):
    """The app below billing's core: it takes values, and knows no invoice."""

    name = "billing.ledger"
    label = "ledger"
    default_auto_field = "django.db.models.BigAutoField"
