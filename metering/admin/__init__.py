"""The staff admin of what is metered, and of the tenants whose usage it is."""

from metering.admin import catalog, ledger, tenants, usage_plans

__all__ = ["catalog", "ledger", "tenants", "usage_plans"]
