"""What schedules have the task cluster do. Each returns in a word what became of it; its run is recorded."""

from django.utils import timezone

from metering.alerts.services.monitoring import run_monitor


def monitor_thresholds(started_by: str = "schedule") -> str:
    """Raise the threshold alerts that are due."""
    return f"{len(run_monitor(started_by=started_by, as_of=timezone.now()).alerts)} alerts"
