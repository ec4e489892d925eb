"""The staff admin of money, and of what is told to others."""

from billing.admin import alerts, invoices, plan_versions, plans, records, seller, subscriptions, tenants

__all__ = ["alerts", "invoices", "plan_versions", "plans", "records", "seller", "subscriptions", "tenants"]
