"""The tables of the alerts app."""

from metering.alerts.models.alert import THRESHOLDS, TenantAgreement, ThresholdAlert

__all__ = ["THRESHOLDS", "TenantAgreement", "ThresholdAlert"]
