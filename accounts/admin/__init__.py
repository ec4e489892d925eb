"""The staff admin of tenants, people and records."""

from accounts.admin import circuits, discrepancies, mail_style, people, records, tenants

__all__ = ["circuits", "discrepancies", "mail_style", "people", "records", "tenants"]
