"""Documents as PDF: from their stored content alone, the same bytes on every machine."""

from django.apps import AppConfig


class RenderingConfig(AppConfig):
    """The app between billing's domain and its services. It takes a document's content, and no model of invoices."""

    name = "billing.rendering"
    label = "rendering"
