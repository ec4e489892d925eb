"""The staff admin of money, and of what is told to others."""

from billing.admin import alerts

__all__ = ["alerts"]
