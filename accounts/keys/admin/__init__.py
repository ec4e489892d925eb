"""The staff admin of keys."""

from accounts.keys.admin import keys, tenants

__all__ = ["keys", "tenants"]
