"""The staff admin of keys."""

from accounts.keys.admin import keys

__all__ = ["keys"]
