"""Predicted crossings: members are told once a period that a quota will be used up, with the day and its interval.

Outbox and mails are written in the transaction that inserts the alert; the unique constraint `forecast_alert_once`
decides which of several workers does. docs/algorithms/forecast.md has the rules.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from itertools import groupby
from typing import Any, Final
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.template.loader import render_to_string

from accounts.domain.job_report import JobReport
from accounts.domain.numbers import unit_name
from accounts.models import Tenant
from accounts.notices.selectors.recipients import recipients_by_tenant
from accounts.notices.services.mails import NewMail, queue_mails
from accounts.notices.services.outbox import add_to_outbox
from accounts.services.jobs import run_job
from accounts.sql import as_json, fetch_all
from metering.alerts.domain.alerts import (
    USAGE_ALERT,
    AlertFacts,
    AlertKind,
    AlertPeriod,
    CrossingDays,
    CrossingPredicted,
    grouped,
    period_in_words,
)
from metering.alerts.domain.crossings import crossing_in_words, predicted_crossing
from metering.alerts.selectors.alerts import agreements_of
from metering.alerts.selectors.crossing_candidates import CrossingCandidate, crossing_candidates
from metering.domain.forecasting import usage_ahead
from metering.domain.periods import Period, days_between, local_day, start_of_day
from metering.selectors.ledgers import half_of
from metering.selectors.past_days import past_days

CROSSINGS_JOB: Final = "crossings"
ALERTS_PATH: Final = "/t/{slug}/alerts/"
_STORED_MAX: Final = Decimal(10) ** 29 - 1
_STEP: Final = Decimal("1E-9")

ADD_CROSSINGS: Final = """
INSERT INTO alerts_thresholdalert
    (tenant_id, kind, agreement_id, meter_id, quota_period, period_start_on, "limit", quantity, expected,
    crosses_on, crosses_on_min, crosses_on_max, occurred_at)
SELECT c.tenant_id, 'forecast', c.agreement_id, c.meter_id, c.quota_period, c.period_start_on, c.limit, c.quantity,
    c.expected, c.crosses_on, c.crosses_on_min, c.crosses_on_max, %(as_of)s::timestamptz
FROM jsonb_to_recordset(%(found)s::jsonb) AS c(
    position int, tenant_id uuid, agreement_id uuid, meter_id bigint, quota_period text, period_start_on date,
    "limit" numeric, quantity numeric, expected numeric, crosses_on date, crosses_on_min date, crosses_on_max date)
ORDER BY c.position
ON CONFLICT DO NOTHING
RETURNING id, tenant_id, meter_id, quota_period
"""


@dataclass(frozen=True, slots=True)
class PredictedCrossing:
    """A quota that will be used up, with the usage that is expected at the end of its period."""

    quota: CrossingCandidate
    days: CrossingDays
    expected: Decimal

    @property
    def key(self) -> tuple[UUID, int, str]:
        """Return what identifies the quota: it has one current period."""
        return self.quota.tenant_id, self.quota.meter_id, self.quota.period


@dataclass(frozen=True, slots=True)
class RaisedCrossing:
    """An alert that a pass inserted."""

    facts: AlertFacts
    tenant: Tenant
    found: PredictedCrossing


def predict_crossings(*, as_of: datetime, tenant_ids: Sequence[UUID] | None = None) -> tuple[RaisedCrossing, ...]:
    """Raise an alert for each quota that will be used up in its period. Any number of workers may do so at once."""
    candidates = crossing_candidates(as_of=as_of, tenant_ids=tenant_ids)
    if not candidates:
        return ()
    tenants = Tenant.objects.in_bulk({one.tenant_id for one in candidates})
    found = list(_predicted(candidates, tenants, as_of))
    return _raise(found, tenants, as_of) if found else ()


def run_crossings(*, started_by: str, as_of: datetime) -> tuple[RaisedCrossing, ...]:
    """Run `predict_crossings` as a recorded job."""
    raised: list[RaisedCrossing] = []

    def work() -> JobReport:
        raised.extend(predict_crossings(as_of=as_of))
        return JobReport({"alerts": len(raised)})

    run_job(name=CROSSINGS_JOB, started_by=started_by, as_of=as_of, work=work)
    return tuple(raised)


def _predicted(
    candidates: Sequence[CrossingCandidate], tenants: dict[UUID, Tenant], as_of: datetime
) -> Iterator[PredictedCrossing]:
    """Yield the quotas that will be used up. The days of a tenant's meters are read by one query."""
    for tenant_id, of_tenant in groupby(candidates, key=lambda one: one.tenant_id):
        tenant, quotas = tenants[tenant_id], list(of_tenant)
        meter_ids = sorted({quota.meter_id for quota in quotas})
        past = past_days(ledger=half_of(tenant, is_live=True), meter_ids=meter_ids, as_of=as_of)
        for quota in quotas:
            known = past.get(quota.meter_id)
            if known is None or not known.days:
                continue
            days = _days_ahead(as_of, quota.end_day, tenant.time_zone)
            ahead = usage_ahead(past=known, weekdays_ahead=[day.weekday() for day in days])
            crossing = predicted_crossing(quota.used, limit=quota.limit, ahead=ahead, days=days)
            if crossing is not None:
                expected = (quota.used + sum(ahead.days, Decimal(0))).quantize(_STEP)
                yield PredictedCrossing(quota, crossing, min(expected, _STORED_MAX))


def _days_ahead(as_of: datetime, end: date, zone: str) -> list[date]:
    today = local_day(as_of, zone)
    return days_between(start_of_day(today, zone), start_of_day(end, zone), zone)


@transaction.atomic
def _raise(
    found: Sequence[PredictedCrossing], tenants: dict[UUID, Tenant], as_of: datetime
) -> tuple[RaisedCrossing, ...]:
    agreements = agreements_of({one.quota.tenant_id for one in found})
    rows = [_row(position, one, agreements.get(one.quota.tenant_id)) for position, one in enumerate(found)]
    stored = fetch_all(ADD_CROSSINGS, {"found": as_json(rows), "as_of": as_of})
    ids = {tuple(key): alert_id for alert_id, *key in stored}
    raised = tuple(
        _raised(ids[one.key], one, tenants[one.quota.tenant_id], agreements.get(one.quota.tenant_id), as_of)
        for one in found
        if one.key in ids
    )
    add_to_outbox((CrossingPredicted(one.tenant.pk, one.facts) for one in raised), as_of=as_of)
    queue_mails(_mails(raised), as_of=as_of)
    return raised


def _row(position: int, found: PredictedCrossing, agreement_id: UUID | None) -> dict[str, Any]:
    quota, days = found.quota, found.days
    return {
        "position": position,
        "tenant_id": quota.tenant_id,
        "agreement_id": agreement_id,
        "meter_id": quota.meter_id,
        "quota_period": quota.period,
        "period_start_on": quota.first_day,
        "limit": quota.limit,
        "quantity": quota.used,
        "expected": found.expected,
        "crosses_on": days.on,
        "crosses_on_min": days.low,
        "crosses_on_max": days.high,
    }


def _raised(
    alert_id: int, found: PredictedCrossing, tenant: Tenant, agreement_id: UUID | None, as_of: datetime
) -> RaisedCrossing:
    quota = found.quota
    facts = AlertFacts(
        id=alert_id,
        kind=AlertKind.FORECAST,
        tenant=tenant.slug,
        agreement_id=agreement_id,
        meter=quota.meter,
        unit=quota.unit,
        quota_period=AlertPeriod(Period(quota.period), quota.first_day, tenant.time_zone, tenant.period_anchor_on),
        limit=quota.limit,
        quantity=quota.used,
        expected=found.expected,
        crossing=found.days,
        occurred_at=as_of,
    )
    return RaisedCrossing(facts, tenant, found)


def _mails(alerts: Sequence[RaisedCrossing]) -> Iterator[NewMail]:
    """Yield a mail for each quota, to the members who want mails of usage alerts."""
    tenants = {alert.tenant.pk: alert.tenant for alert in alerts}
    recipients = recipients_by_tenant(tenants=tenants.values(), kind=USAGE_ALERT) if tenants else {}
    for alert in alerts:
        context = _mail_context(alert)
        yield NewMail(
            tenant_id=alert.tenant.pk,
            kind=USAGE_ALERT.name,
            dedupe_key=CrossingPredicted(alert.tenant.pk, alert.facts).dedupe_key,
            recipients=recipients[alert.tenant.pk],
            subject=render_to_string("alerts/email/predicted_crossing_subject.txt", context).strip(),
            text=render_to_string("alerts/email/predicted_crossing.txt", context),
            html=render_to_string("alerts/email/predicted_crossing.html", context),
        )


def _mail_context(alert: RaisedCrossing) -> dict[str, object]:
    quota, days = alert.found.quota, alert.found.days
    resets_on = f"{period_in_words(Period.DAY, quota.end_day)} ({alert.tenant.time_zone})"
    until = period_in_words(Period.DAY, quota.end_day - timedelta(days=1))
    return {
        "tenant": alert.tenant,
        "meter_name": quota.meter_name,
        "on": f"{days.on.day} {days.on:%B}",
        "when": crossing_in_words(days),
        "quantity": grouped(quota.used),
        "limit": grouped(quota.limit),
        "unit": unit_name(quota.unit, quota.limit),
        "expected": grouped(alert.found.expected.to_integral_value()),
        "until": until,
        "consequence": (
            f"From then on requests beyond the quota are refused until {resets_on}."
            if quota.is_hard
            else f"No requests are refused. Usage beyond the quota is billed as your plan says, until {resets_on}."
        ),
        "url": f"{settings.PUBLIC_URL}{ALERTS_PATH.format(slug=alert.tenant.slug)}",
    }
