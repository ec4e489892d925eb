"""The staff admin of threshold alerts."""

from metering.alerts.admin import alerts

__all__ = ["alerts"]
