"""The staff admin of billing."""

from billing.admin import invoices, ledger, payments, plan_versions, plans, records, seller, subscriptions, tenants

__all__ = ["invoices", "ledger", "payments", "plan_versions", "plans", "records", "seller", "subscriptions", "tenants"]
