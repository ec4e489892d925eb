"""The seller's tax settings, VAT numbers and exchange rates: their storage and their sources."""

from django.apps import AppConfig


class TaxationConfig(AppConfig):
    """The app above billing's core, which decides by the stored rows and does not know their sources."""

    name = "billing.taxation"
    label = "taxation"
