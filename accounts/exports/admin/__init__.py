"""The staff admin of exports."""

from accounts.exports.admin import exports

__all__ = ["exports"]
