"""The staff admin of tenants, people and records."""

from accounts.admin import people, records, tenants

__all__ = ["people", "records", "tenants"]
