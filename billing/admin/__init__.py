"""The staff admin of billing."""

from billing.admin import (
    invoices,
    ledger,
    payments,
    plan_versions,
    plans,
    pricing_questions,
    records,
    seller,
    subscriptions,
    tenants,
)

__all__ = [
    "invoices",
    "ledger",
    "payments",
    "plan_versions",
    "plans",
    "pricing_questions",
    "records",
    "seller",
    "subscriptions",
    "tenants",
]
