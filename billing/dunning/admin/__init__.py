"""The staff admin of dunning."""

from billing.dunning.admin import cases, schedules, tenants

__all__ = ["cases", "schedules", "tenants"]
