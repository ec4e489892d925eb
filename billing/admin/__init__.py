"""The staff admin of money, and of what is told to others."""

from billing.admin import invoices, ledger, plan_versions, plans, records, seller, subscriptions, tenants

__all__ = ["invoices", "ledger", "plan_versions", "plans", "records", "seller", "subscriptions", "tenants"]
