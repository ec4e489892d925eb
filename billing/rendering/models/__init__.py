"""The stored parts of documents."""

from billing.rendering.models.logo import Logo

__all__ = ["Logo"]
