"""The scheduled tasks of alerts. Each returns its result in a few words; its run is recorded."""

from django.utils import timezone

from metering.alerts.services.anomalies import run_anomalies
from metering.alerts.services.crossings import run_crossings
from metering.alerts.services.monitoring import run_monitor


def monitor_thresholds(started_by: str = "schedule") -> str:
    """Raise the threshold alerts that are due."""
    return f"{len(run_monitor(started_by=started_by, as_of=timezone.now()).alerts)} alerts"


def find_anomalies(started_by: str = "schedule") -> str:
    """Find what is unusual in the usage of all tenants."""
    return f"{len(run_anomalies(started_by=started_by, as_of=timezone.now()).alerts)} anomalies"


def predict_crossings(started_by: str = "schedule") -> str:
    """Find the quotas that will be used up in their periods."""
    return f"{len(run_crossings(started_by=started_by, as_of=timezone.now()))} predicted crossings"
