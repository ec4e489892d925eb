"""The staff admin of payment providers."""

from billing.collection.admin import findings, inbox, providers, usage_pushes

__all__ = ["findings", "inbox", "providers", "usage_pushes"]
