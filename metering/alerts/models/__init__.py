"""The tables of the alerts app."""

from metering.alerts.models.alert import (
    THRESHOLDS,
    AcceptedAnomaly,
    AlertKinds,
    Patterns,
    TenantAgreement,
    ThresholdAlert,
)

__all__ = ["THRESHOLDS", "AcceptedAnomaly", "AlertKinds", "Patterns", "TenantAgreement", "ThresholdAlert"]
