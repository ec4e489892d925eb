"""The staff admin of payment providers."""

from billing.collection.admin import inbox, providers, usage_pushes

__all__ = ["inbox", "providers", "usage_pushes"]
