"""The staff admin of what was told to whom."""

from accounts.notices.admin import records

__all__ = ["records"]
