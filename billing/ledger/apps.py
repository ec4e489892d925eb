"""The ledger of accounts, to which every document and every payment posts."""

from django.apps import AppConfig


class LedgerConfig(AppConfig):
    """The app below billing's core. It accepts values, and knows no invoice."""

    name = "billing.ledger"
    label = "ledger"
    default_auto_field = "django.db.models.BigAutoField"
