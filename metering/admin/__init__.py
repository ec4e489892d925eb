"""The staff admin of what is metered."""

from metering.admin import catalog, key_leaks, ledger, logs, meters, reservations, tenants, usage_plans

__all__ = ["catalog", "key_leaks", "ledger", "logs", "meters", "reservations", "tenants", "usage_plans"]
