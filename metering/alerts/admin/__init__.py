"""The staff admin of threshold alerts."""

from metering.alerts.admin import alerts, anomalies, own_thresholds

__all__ = ["alerts", "anomalies", "own_thresholds"]
