"""Who charges what tax to whom: the matrix of docs/algorithms/tax.md, apart from how its facts are kept."""

from django.apps import AppConfig


class TaxLawConfig(AppConfig):
    """The app between billing's domain, whose words it uses, and the tables, which are kept in its terms."""

    name = "billing.taxlaw"
    label = "taxlaw"
