"""The staff admin of what is metered."""

from metering.admin import budgets, catalog, key_leaks, ledger, logs, meters, reservations, tenants, usage_plans

__all__ = ["budgets", "catalog", "key_leaks", "ledger", "logs", "meters", "reservations", "tenants", "usage_plans"]
