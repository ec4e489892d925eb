"""Conservation: what a subscription's documents must come to, calculated a second time."""

from django.apps import AppConfig


class ConservationConfig(AppConfig):
    """An app without tables, below billing's core: it may import nothing of what it is to verify."""

    name = "billing.conservation"
    label = "conservation"
