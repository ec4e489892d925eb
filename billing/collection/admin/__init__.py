"""What staff see of payment providers."""

from billing.collection.admin import inbox

__all__ = ["inbox"]
