"""Anomalies: a pass over all tenants finds what is unusual, and tells it once for each meter, key and day.

A few statements find candidates, pure rules judge them, and one statement inserts what is new; the unique constraint
`anomaly_alert_once` decides which of several workers inserts it. Outbox and mails are written in the same transaction.
`docs/algorithms/anomalies.md` has the rules.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from itertools import groupby
from statistics import median
from typing import Any, Final
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.template.loader import render_to_string

from accounts.domain.job_report import JobReport
from accounts.models import ApiKey, JobOutcome, JobRun, Tenant
from accounts.notices.selectors.recipients import recipients_by_tenant
from accounts.notices.services.mails import NewMail, queue_mails
from accounts.notices.services.outbox import add_to_outbox
from accounts.services.jobs import run_job
from accounts.sql import as_json, fetch_all
from metering.alerts.domain.alerts import UNUSUAL_USAGE, AlertFacts, AlertKind, AnomalyDetected
from metering.alerts.domain.anomalies import (
    HISTORY_DAYS,
    NOTHING,
    Accepted,
    Anomaly,
    AnomalyRules,
    History,
    Pattern,
    Use,
    judge_day,
    judge_hour,
    judge_key_day,
    judge_silence,
)
from metering.alerts.domain.anomaly_words import TITLES, anomaly_in_words, window_in_words
from metering.alerts.selectors.accepted import accepted_levels, merged_levels
from metering.alerts.selectors.alerts import agreements_of
from metering.alerts.selectors.anomaly_candidates import (
    Candidates,
    MeterOf,
    anomaly_candidates,
    days_of_keys,
    histories_of,
)
from metering.domain.periods import local_day
from metering.models import Meter

ANOMALIES_JOB: Final = "anomalies"
# Usage of an hour that is reported within the next one is judged, and what passes were missed for, up to a day.
LOOK_BACK: Final = timedelta(hours=1)
LOOK_BACK_MAX: Final = timedelta(days=1)
METERS_AT_ONCE: Final = 200
ALERT_PATH: Final = "/t/{slug}/alerts/{id}/"
_DAY: Final = timedelta(days=1)
_STORED_MAX: Final = Decimal(99_999_999_999_999_999_999_999_999_999)
_STEADY: Final = (Pattern.RISE, Pattern.DROP)

# A level that goes on is told once a week.
ADD_ANOMALIES: Final = """
INSERT INTO alerts_thresholdalert (tenant_id, kind, agreement_id, meter_id, quota_period, period_start_on, quantity,
    api_key_id, window_start_at, window_end_at, expected, pattern, occurred_at)
SELECT n.tenant_id, 'anomaly', n.agreement_id, n.meter_id, '', n.day, n.quantity, n.api_key_id, n.window_start,
    n.window_end, n.expected, n.pattern, %(as_of)s::timestamptz
FROM jsonb_to_recordset(%(found)s::jsonb) AS n(position int, tenant_id uuid, agreement_id uuid, meter_id bigint,
    day date, quantity numeric, api_key_id uuid, window_start timestamptz, window_end timestamptz, expected numeric,
    pattern text)
WHERE n.pattern <> ALL (%(steady)s) OR NOT EXISTS (
    SELECT FROM alerts_thresholdalert AS a
    WHERE a.kind = 'anomaly' AND a.tenant_id = n.tenant_id AND a.meter_id = n.meter_id AND a.api_key_id IS NULL
        AND a.pattern = n.pattern AND a.period_start_on > n.day - 7 AND a.period_start_on < n.day)
ORDER BY n.position
ON CONFLICT DO NOTHING
RETURNING id, tenant_id, meter_id, api_key_id, period_start_on
"""


@dataclass(frozen=True, slots=True)
class FoundAnomaly:
    """An anomaly of a tenant's meter, or of one key's usage of it."""

    meter: MeterOf
    key_id: UUID | None
    day: date
    anomaly: Anomaly

    @property
    def key(self) -> tuple[UUID, int, UUID | None, date]:
        """Return the unique key of its alert."""
        return self.meter.tenant_id, self.meter.meter_id, self.key_id, self.day


@dataclass(frozen=True, slots=True)
class RaisedAnomaly:
    """An anomaly that this pass stored."""

    facts: AlertFacts
    tenant: Tenant
    sentence: str


@dataclass(frozen=True, slots=True)
class AnomalyPass:
    """The result of a pass: how many candidates were judged, and what is new."""

    judged: int
    alerts: tuple[RaisedAnomaly, ...]


def rules_of_settings() -> AnomalyRules:
    """Return the rules with the numbers that the operator set."""
    return AnomalyRules(factor=Decimal(settings.ANOMALY_FACTOR), events_min=settings.ANOMALY_EVENTS_MIN)


@transaction.atomic
def find_anomalies(
    *, as_of: datetime, tenant_ids: Sequence[UUID] | None = None, last_pass_at: datetime | None = None
) -> AnomalyPass:
    """Send notices of what is unusual in the running hour and day, and in those that ended since the last pass.

    Any number of workers may do so at once.
    """
    rules = rules_of_settings()
    looked_back_to = max((last_pass_at or as_of) - LOOK_BACK, as_of - LOOK_BACK_MAX)
    candidates = anomaly_candidates(as_of=as_of, looked_back_to=looked_back_to, rules=rules, tenant_ids=tenant_ids)
    found = list(_judged(candidates, as_of=as_of, rules=rules))
    alerts = _stored(found, as_of) if found else ()
    add_to_outbox((AnomalyDetected(alert.tenant.pk, alert.facts) for alert in alerts), as_of=as_of)
    queue_mails(_mails(alerts), as_of=as_of)
    judged = len(candidates.hours) + len(candidates.days) + len(candidates.keys) + len(candidates.silent)
    return AnomalyPass(judged, alerts)


def run_anomalies(*, started_by: str, as_of: datetime) -> AnomalyPass:
    """Run `find_anomalies` for all tenants as a recorded job."""
    found: list[AnomalyPass] = []
    passes = JobRun.objects.filter(name=ANOMALIES_JOB, outcome=JobOutcome.SUCCEEDED, started_at__lte=as_of)
    last_pass_at = passes.order_by("-started_at").values_list("started_at", flat=True).first()

    def work() -> JobReport:
        found.append(find_anomalies(as_of=as_of, last_pass_at=last_pass_at))
        return JobReport({"judged": found[0].judged, "anomalies": len(found[0].alerts)})

    run_job(name=ANOMALIES_JOB, started_by=started_by, as_of=as_of, work=work)
    return found[0]


def _judged(candidates: Candidates, *, as_of: datetime, rules: AnomalyRules) -> Iterator[FoundAnomaly]:
    """Yield what is unusual: of a meter and day, spikes of hours before the whole day, and that before silence."""
    since = as_of - (HISTORY_DAYS + 2) * _DAY
    of_meters = {
        *candidates.silent,
        *(meter for meter, _ in candidates.hours),
        *(meter for meter, _ in candidates.days),
    }
    zones = _zones_of({meter.tenant_id for meter in of_meters} | {meter.tenant_id for meter, *_ in candidates.keys})
    for chunk in _chunks(of_meters):
        histories = histories_of(chunk, zones=zones, since=since, until=as_of)
        accepted = accepted_levels(meters=chunk, as_of=as_of)
        part = Candidates(
            hours=[one for one in candidates.hours if one[0] in histories and one[0] in chunk],
            days=[one for one in candidates.days if one[0] in histories and one[0] in chunk],
            silent=[meter for meter in candidates.silent if meter in histories and meter in chunk],
            keys=(),
        )
        yield from _judged_meters(part, histories, accepted, as_of=as_of, rules=rules)
    for chunk in _chunks({meter for meter, *_ in candidates.keys}):
        yield from _judged_keys(candidates.keys, chunk, zones, as_of=as_of, rules=rules)


def _chunks(meters: set[MeterOf]) -> Iterator[frozenset[MeterOf]]:
    in_order = sorted(meters)
    for start in range(0, len(in_order), METERS_AT_ONCE):
        yield frozenset(in_order[start : start + METERS_AT_ONCE])


def _judged_meters(
    part: Candidates,
    histories: Mapping[MeterOf, History],
    accepted: Mapping[tuple[MeterOf, UUID | None], Mapping[Pattern, Accepted]],
    *,
    as_of: datetime,
    rules: AnomalyRules,
) -> Iterator[FoundAnomaly]:
    def of(meter: MeterOf, *patterns: Pattern) -> Accepted | None:
        known = accepted.get((meter, None), {})
        levels = [known[pattern] for pattern in patterns if pattern in known]
        return merged_levels(levels) if levels else None

    for meter, hour in part.hours:
        spike = judge_hour(histories[meter], hour, rules=rules, accepted=of(meter, Pattern.SPIKE))
        yield from _found(meter, None, spike, histories[meter].zone)
    for meter, day in part.days:
        steady = judge_day(histories[meter], day, rules=rules, accepted=of(meter, *_STEADY))
        yield from _found(meter, None, steady, histories[meter].zone)
    for meter in part.silent:
        silence = judge_silence(histories[meter], as_of, rules=rules, accepted=of(meter, Pattern.SILENCE))
        yield from _found(meter, None, silence, histories[meter].zone)


def _judged_keys(
    candidates: Sequence[tuple[MeterOf, date, UUID]],
    chunk: frozenset[MeterOf],
    zones: Mapping[UUID, str],
    *,
    as_of: datetime,
    rules: AnomalyRules,
) -> Iterator[FoundAnomaly]:
    days_of = days_of_keys(chunk, until=as_of)
    accepted = accepted_levels(meters=chunk, as_of=as_of)
    for meter, day, key in candidates:
        if meter not in chunk:
            continue
        zone = zones[meter.tenant_id]
        spike = judge_key_day(
            days_of[meter].get(key, {}),
            day,
            zone=zone,
            usual_day=_usual_day(days_of[meter], day),
            rules=rules,
            accepted=accepted.get((meter, key), {}).get(Pattern.SPIKE),
        )
        yield from _found(meter, key, spike, zone)


def _found(meter: MeterOf, key: UUID | None, anomaly: Anomaly | None, zone: str) -> Iterator[FoundAnomaly]:
    if anomaly is not None:
        yield FoundAnomaly(meter, key, local_day(anomaly.window_start, zone), anomaly)


def _usual_day(keys: Mapping[UUID, Mapping[date, Use]], day: date) -> Decimal:
    """Return the median of the meter's last four weeks, with all keys."""
    before = [day - n * _DAY for n in range(1, 29)]
    return median(sum((days.get(one, NOTHING).quantity for days in keys.values()), Decimal(0)) for one in before)


def _zones_of(tenant_ids: set[UUID]) -> dict[UUID, str]:
    return dict(Tenant.objects.filter(pk__in=tenant_ids).values_list("pk", "time_zone"))


def _stored(found: Sequence[FoundAnomaly], as_of: datetime) -> tuple[RaisedAnomaly, ...]:
    """Store what is new, and return it with its names."""
    agreements = agreements_of({one.meter.tenant_id for one in found})
    rows = [_row(n, one, agreements.get(one.meter.tenant_id)) for n, one in enumerate(found)]
    stored = fetch_all(ADD_ANOMALIES, {"found": as_json(rows), "as_of": as_of, "steady": list(_STEADY)})
    ids = {(tenant, meter, key, day): pk for pk, tenant, meter, key, day in stored}
    first: dict[tuple[UUID, int, UUID | None, date], FoundAnomaly] = {}
    for one in found:
        first.setdefault(one.key, one)
    tenants = Tenant.objects.in_bulk({key[0] for key in ids})
    meters = Meter.objects.in_bulk({key[1] for key in ids})
    keys = ApiKey.objects.in_bulk({key[2] for key in ids if key[2] is not None})
    return tuple(
        _raised(
            ids[one.key],
            one,
            tenant=tenants[one.meter.tenant_id],
            meter=meters[one.meter.meter_id],
            agreement_id=agreements.get(one.meter.tenant_id),
            key_name=keys[one.key_id].name if one.key_id in keys else "",
            as_of=as_of,
        )
        for one in first.values()
        if one.key in ids
    )


def _row(position: int, found: FoundAnomaly, agreement_id: UUID | None) -> dict[str, Any]:
    anomaly = found.anomaly
    return {
        "position": position,
        "tenant_id": found.meter.tenant_id,
        "agreement_id": agreement_id,
        "meter_id": found.meter.meter_id,
        "day": found.day,
        "quantity": min(anomaly.quantity, _STORED_MAX),
        "api_key_id": found.key_id,
        "window_start": anomaly.window_start,
        "window_end": anomaly.window_end,
        "expected": min(anomaly.expected, _STORED_MAX),
        "pattern": anomaly.pattern,
    }


def _raised(
    alert_id: int,
    found: FoundAnomaly,
    *,
    tenant: Tenant,
    meter: Meter,
    agreement_id: UUID | None,
    key_name: str,
    as_of: datetime,
) -> RaisedAnomaly:
    anomaly = found.anomaly
    facts = AlertFacts(
        id=alert_id,
        kind=AlertKind.ANOMALY,
        tenant=tenant.slug,
        agreement_id=agreement_id,
        meter=meter.code,
        unit=meter.unit,
        quantity=min(anomaly.quantity, _STORED_MAX),
        occurred_at=as_of,
        api_key_id=found.key_id,
        window_start_at=anomaly.window_start,
        expected=min(anomaly.expected, _STORED_MAX),
        pattern=anomaly.pattern,
        window_end_at=anomaly.window_end,
    )
    window = window_in_words(
        anomaly.pattern,
        anomaly.window_start,
        tenant.time_zone,
        is_day=found.key_id is not None or anomaly.pattern in _STEADY,
    )
    sentence = anomaly_in_words(
        anomaly.pattern,
        meter_name=meter.name,
        unit=meter.unit,
        quantity=anomaly.quantity,
        expected=anomaly.expected,
        window=window,
        key=key_name,
    )
    return RaisedAnomaly(facts, tenant, sentence)


def _mails(alerts: Sequence[RaisedAnomaly]) -> Iterator[NewMail]:
    """Yield one mail a tenant and pass, to the members who want it."""
    tenants = {alert.tenant.pk: alert.tenant for alert in alerts}
    recipients = recipients_by_tenant(tenants=tenants.values(), kind=UNUSUAL_USAGE) if tenants else {}
    in_order = sorted(alerts, key=lambda alert: (alert.tenant.pk, alert.facts.id))
    for tenant_id, of_tenant in groupby(in_order, key=lambda alert: alert.tenant.pk):
        if recipients[tenant_id]:
            yield _mail(list(of_tenant), recipients[tenant_id])


def _mail(alerts: Sequence[RaisedAnomaly], recipients: Sequence[str]) -> NewMail:
    first = alerts[0]
    context = {
        "tenant": first.tenant,
        "alerts": [
            {"sentence": alert.sentence, "url": settings.PUBLIC_URL + alert_path(alert.facts)} for alert in alerts
        ],
        "url": settings.PUBLIC_URL + alert_path(first.facts),
        "has_key": any(alert.facts.api_key_id for alert in alerts),
        "title": TITLES[first.facts.pattern] if first.facts.pattern else "",
    }
    return NewMail(
        tenant_id=first.tenant.pk,
        kind=UNUSUAL_USAGE.name,
        dedupe_key=AnomalyDetected(first.tenant.pk, first.facts).dedupe_key,
        recipients=recipients,
        subject=render_to_string("alerts/email/unusual_usage_subject.txt", context).strip(),
        text=render_to_string("alerts/email/unusual_usage.txt", context),
        html=render_to_string("alerts/email/unusual_usage.html", context),
        page=f"alerts/{first.facts.id}/",
    )


def alert_path(facts: AlertFacts) -> str:
    """Return the address of the alert's page."""
    return ALERT_PATH.format(slug=facts.tenant, id=facts.id)
