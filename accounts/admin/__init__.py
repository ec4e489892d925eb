"""The staff admin of tenants, people and records."""

from accounts.admin import discrepancies, people, records, tenants

__all__ = ["discrepancies", "people", "records", "tenants"]
