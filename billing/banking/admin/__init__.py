"""The staff admin of bank transfers."""

from billing.banking.admin import entries

__all__ = ["entries"]
