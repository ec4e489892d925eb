"""The staff admin of tenants, people and records."""

from accounts.admin import circuits, discrepancies, people, records, tenants

__all__ = ["circuits", "discrepancies", "people", "records", "tenants"]
