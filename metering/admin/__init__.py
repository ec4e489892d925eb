"""The staff admin of what is metered."""

from metering.admin import catalog, ledger, tenants, usage_plans

__all__ = ["catalog", "ledger", "tenants", "usage_plans"]
