"""The page of an anomaly: expected against seen, and whether it is fine."""

from datetime import datetime
from decimal import Decimal
from typing import Final
from zoneinfo import ZoneInfo

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render

from accounts.domain.numbers import unit_name
from accounts.domain.roles import Capability
from accounts.models import ApiKey
from metering.alerts.domain.anomalies import ACCEPTED_FOR, Pattern
from metering.alerts.domain.anomaly_words import TITLES, anomaly_in_words, window_in_words
from metering.alerts.models import AcceptedAnomaly, ThresholdAlert
from metering.alerts.selectors.alerts import anomaly_of_tenant
from metering.alerts.selectors.anomaly_series import AnomalySeries, anomaly_series
from metering.alerts.services.acceptance import accept_anomaly, take_acceptance_back
from portal.access import Portal, SignedInRequest, tenant_page

FINE, NOT_FINE = "fine", "not_fine"
_NOTHING: Final = Decimal(0)


@tenant_page("alerts", methods=("GET", "HEAD", "POST"))
def anomaly(request: SignedInRequest, portal: Portal, alert_id: int) -> HttpResponse:
    """Render the page, or store whether the anomaly is fine."""
    alert = anomaly_of_tenant(tenant_id=portal.tenant.pk, alert_id=alert_id)
    if alert is None or alert.meter is None or alert.window_start_at is None:
        raise Http404
    if request.method == "POST":
        _decide(request, portal, alert)
        return redirect("portal:anomaly", portal.tenant.slug, alert.pk)
    zone = portal.tenant.time_zone
    key = None
    if alert.api_key_id is not None:
        key = ApiKey.objects.of_tenant(portal.tenant.pk).filter(pk=alert.api_key_id).first()
    pattern = Pattern(alert.pattern)
    series = anomaly_series(alert=alert, time_zone=zone, as_of=portal.as_of)
    accepted = AcceptedAnomaly.objects.filter(alert=alert).first()
    context = {
        "portal": portal,
        "alert": alert,
        "title": TITLES[pattern],
        "sentence": anomaly_in_words(
            pattern,
            meter_name=alert.meter.name,
            unit=alert.meter.unit,
            quantity=alert.quantity,
            expected=alert.expected or _NOTHING,
            window=window_in_words(pattern, alert.window_start_at, zone, is_day=series.is_by_day),
            key=key.name if key else "",
        ),
        "series": series,
        "rows": [(_label(point.start, zone, is_day=series.is_by_day), point) for point in series.points][::-1],
        "chart": _chart(series, alert, zone),
        "key": key,
        "is_key_usable": key is not None and key.revoked_at is None,
        "accepted": accepted,
        "accepted_until": accepted.accepted_at + ACCEPTED_FOR if accepted else None,
        "may_decide": portal.may[Capability.MANAGE_KEYS],
    }
    return render(request, "portal/anomaly.html", context)


def _decide(request: SignedInRequest, portal: Portal, alert: ThresholdAlert) -> None:
    wanted = request.POST.get("is")
    if wanted == FINE:
        accept_anomaly(alert=alert, actor=portal.actor, as_of=portal.as_of)
        messages.success(request, "This level is expected from now on.")
    elif wanted == NOT_FINE:
        take_acceptance_back(alert=alert, actor=portal.actor, as_of=portal.as_of)
        messages.success(request, "This level is unusual again.")


def _label(start: datetime, zone: str, *, is_day: bool) -> str:
    local = start.astimezone(ZoneInfo(zone))
    return f"{local:%a} {local.day} {local:%b}" if is_day else f"{local:%a} {local:%H:%M}"


def _chart(series: AnomalySeries, alert: ThresholdAlert, zone: str) -> dict[str, object]:
    seen = [format(point.seen, "f") for point in series.points]
    expected = [format(point.expected or _NOTHING, "f") for point in series.points]
    unit = alert.meter.unit if alert.meter else ""
    return {
        "kind": "line",
        "labels": [_label(point.start, zone, is_day=series.is_by_day) for point in series.points],
        "unit": unit,
        "unit_of_one": unit_name(unit, 1),
        "is_stacked": False,
        "series": [
            {"name": "Seen", "values": seen, "is_forecast": False},
            {"name": "Expected", "values": expected, "is_forecast": True},
        ],
        "limit": None,
    }
