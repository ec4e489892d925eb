"""The seller's tax settings, VAT numbers and exchange rates: how they are kept and where they come from."""

from django.apps import AppConfig


class TaxationConfig(AppConfig):
    """The app above billing's core: the core decides by what is stored, and knows nothing of how it came in."""

    name = "billing.taxation"
    label = "taxation"
