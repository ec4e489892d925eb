"""What documents are made with."""

from billing.rendering.models.logo import Logo

__all__ = ["Logo"]
