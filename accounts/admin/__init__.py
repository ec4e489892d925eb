"""The staff admin of people, keys and records. Tenants are registered by metering, which knows their usage."""

from accounts.admin import people, records

__all__ = ["people", "records"]
