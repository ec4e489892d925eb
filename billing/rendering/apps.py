"""Documents as PDF: from their stored content alone, the same bytes on every machine."""

from django.apps import AppConfig


class RenderingConfig(AppConfig):
    """The app between billing's domain and its services: it takes what a document says, and knows no invoice."""

    name = "billing.rendering"
    label = "rendering"
