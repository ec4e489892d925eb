"""The tables of the alerts app."""

from metering.alerts.models.alert import (
    THRESHOLDS,
    AcceptedAnomaly,
    AlertKinds,
    AnomalyAlert,
    Patterns,
    TenantAgreement,
    ThresholdAlert,
)
from metering.alerts.models.own_threshold import OwnThreshold

__all__ = [
    "THRESHOLDS", "AcceptedAnomaly", "AlertKinds", "AnomalyAlert", "OwnThreshold", "Patterns", "TenantAgreement",
    "ThresholdAlert",
]  # fmt: skip
