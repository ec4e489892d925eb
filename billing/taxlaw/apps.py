"""The tax rules: the matrix of docs/algorithms/tax.md, without the storage of its facts."""

from django.apps import AppConfig


class TaxLawConfig(AppConfig):
    """The app between billing's domain, whose values it uses, and the tables, which use its terms."""

    name = "billing.taxlaw"
    label = "taxlaw"
