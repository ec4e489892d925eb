"""The staff admin of money, and of what is told to others."""

from billing.admin import invoices, ledger, payments, plan_versions, plans, records, seller, subscriptions, tenants

__all__ = ["invoices", "ledger", "payments", "plan_versions", "plans", "records", "seller", "subscriptions", "tenants"]
