"""The staff admin of people, keys and records. Tenants are registered by metering, which knows their usage."""

from accounts.admin import keys, people, records

__all__ = ["keys", "people", "records"]
