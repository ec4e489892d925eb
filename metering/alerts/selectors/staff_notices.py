"""What staff are told of customers' usage through their channels: anomalies."""

from collections.abc import Iterator
from datetime import datetime

from django.urls import reverse

from accounts.channels.domain.staff_notices import NewStaffNotice, StaffNoticeKind
from accounts.channels.selectors.staff_sources import NEWEST
from metering.alerts.models import AlertKinds, ThresholdAlert


def new_anomalies(since: datetime) -> Iterator[NewStaffNotice]:
    """Yield the anomalies that were found."""
    for alert in ThresholdAlert.objects.select_related("tenant", "meter").order_by("-pk")[:NEWEST]:
        if alert.kind == AlertKinds.ANOMALY and alert.occurred_at >= since:
            meter = "" if alert.meter is None else f" of {alert.meter.name}"
            yield NewStaffNotice(
                StaffNoticeKind.ANOMALY,
                f"anomaly:{alert.pk}",
                f"{alert.tenant.name}: unusual usage{meter}",
                "",
                reverse("admin:alerts_thresholdalert_change", args=[alert.pk]),
                alert.occurred_at,
            )
