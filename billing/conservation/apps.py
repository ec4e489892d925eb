"""Conservation: a second calculation of the amounts of a subscription's documents."""

from django.apps import AppConfig


class ConservationConfig(AppConfig):
    """An app without tables, below billing's core: it may not import the code that it verifies."""

    name = "billing.conservation"
    label = "conservation"
