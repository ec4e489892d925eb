"""The staff admin of money, and of what is told to others."""

from billing.admin import alerts, catalog, invoices, records, seller, subscriptions, tenants

__all__ = ["alerts", "catalog", "invoices", "records", "seller", "subscriptions", "tenants"]
