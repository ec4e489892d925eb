"""Threshold alerts: who has used 80, 95 or 100 percent of a quota is told so, once for each.

One statement finds what was crossed and writes it down; the unique constraint `threshold_alert_once` decides which of
several workers does. Outbox and mails are written in the same transaction, so an alert is told of if and only if it is
there. docs/alerts.md says what is looked at, and what is not.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import groupby
from typing import Any, Final
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.template.loader import render_to_string

from accounts.domain.actor import Actor
from accounts.domain.job_report import JobReport
from accounts.models import JobOutcome, JobRun, Tenant
from accounts.notices.selectors.recipients import recipients_by_tenant
from accounts.notices.services.mails import NewMail, queue_mails
from accounts.notices.services.outbox import add_to_outbox
from accounts.services.audit import AuditTarget, record_audit
from accounts.services.jobs import run_job
from accounts.sql import fetch_all
from billing.domain.alerts import USAGE_ALERT, USED_UP, AlertFacts, ThresholdReached, grouped, period_in_words
from billing.domain.statuses import LIVE_STATUSES
from billing.models import THRESHOLDS
from metering.domain.periods import Period

ALERTS_JOB: Final = "alerts"
ALERTS_OF_SOME_JOB: Final = "alerts of some"
# A period that ended is looked at for as long: what arrived in its last minutes, or within the usual grace of an
# invoice. Where no pass was made for a while, because no worker ran, the next one looks back from the last that was.
LOOK_BACK: Final = timedelta(hours=2)
LOOK_BACK_MAX: Final = timedelta(days=35)
ALERTS_PATH: Final = "/t/{slug}/alerts/"

# A quota's period is a day or a month of the tenant's zone, as in usage_day. One that has ended is compared with the
# quota only where the tenant was on that usage plan before its end: else a change of plan at midnight would measure the
# old month by the new plan. The quantity that is kept is bounded by its column; the comparison is not. Rows are written
# in the order of the unique key, so that two workers wait for each other and never in a circle.
RAISE_ALERTS: Final = """
WITH quota AS MATERIALIZED (
    SELECT t.id AS tenant_id, s.id AS subscription_id, q.meter_id, q.period, q.limit AS allowed, q.is_hard, p.first_day,
        least((%(as_of)s::timestamptz AT TIME ZONE t.time_zone)::date, p.end_day - 1) AS last_day
    FROM accounts_tenant AS t
    JOIN metering_usageplanassignment AS a ON a.tenant_id = t.id
    JOIN metering_usageplanquota AS q ON q.usage_plan_id = a.usage_plan_id AND q.limit > 0
    LEFT JOIN billing_subscription AS s ON s.tenant_id = t.id AND s.status = ANY(%(live_statuses)s::text[])
    CROSS JOIN LATERAL (
        SELECT first_day, (first_day + ('1 ' || q.period)::interval)::date AS end_day
        FROM (
            SELECT DISTINCT date_trunc(q.period, day)::date AS first_day
            FROM generate_series(
                date_trunc('day', %(looked_back_to)s::timestamptz AT TIME ZONE t.time_zone),
                %(as_of)s::timestamptz AT TIME ZONE t.time_zone, '1 day') AS day
        ) AS begun
    ) AS p
    WHERE t.status = 'active' AND (%(tenant_ids)s::uuid[] IS NULL OR t.id = ANY(%(tenant_ids)s::uuid[]))
        AND a.assigned_at < p.end_day::timestamp AT TIME ZONE t.time_zone
),
used AS MATERIALIZED (
    SELECT q.*, u.quantity
    FROM quota AS q
    CROSS JOIN LATERAL (
        SELECT sum(d.quantity) AS quantity FROM usage_day AS d
        WHERE d.tenant_id = q.tenant_id AND d.is_live AND d.meter_id = q.meter_id
            AND d.day BETWEEN q.first_day AND q.last_day
    ) AS u
),
raised AS (
    INSERT INTO billing_thresholdalert
        (tenant_id, subscription_id, meter_id, quota_period, period_start_on, threshold, "limit", quantity, occurred_at)
    SELECT u.tenant_id, u.subscription_id, u.meter_id, u.period, u.first_day, step.threshold, u.allowed,
        least(u.quantity, 99999999999999999999999999999::numeric), %(as_of)s::timestamptz
    FROM used AS u CROSS JOIN unnest(%(thresholds)s::int[]) AS step(threshold)
    WHERE u.quantity * 100 >= u.allowed * step.threshold
    ORDER BY u.tenant_id, u.meter_id, u.period, u.first_day, step.threshold
    ON CONFLICT ON CONSTRAINT threshold_alert_once DO NOTHING
    RETURNING *
)
SELECT looked_at.tenants, r.id, r.tenant_id, r.subscription_id, m.code, m.name, m.unit, r.quota_period,
    r.period_start_on, r.threshold,
    r.limit, r.quantity, u.is_hard
FROM (SELECT count(DISTINCT tenant_id) AS tenants FROM quota) AS looked_at
LEFT JOIN raised AS r ON true
LEFT JOIN metering_meter AS m ON m.id = r.meter_id
LEFT JOIN used AS u ON (u.tenant_id, u.meter_id, u.period, u.first_day) = (r.tenant_id, r.meter_id, r.quota_period,
    r.period_start_on)
ORDER BY r.tenant_id, r.meter_id, r.quota_period, r.period_start_on, r.threshold
"""


@dataclass(frozen=True, slots=True)
class RaisedAlert:
    """An alert that this very pass wrote."""

    facts: AlertFacts
    tenant: Tenant
    meter_name: str
    is_hard: bool

    @property
    def quota(self) -> tuple[UUID, str, Period, date]:
        """What all alerts of one quota and period have in common."""
        facts = self.facts
        return self.tenant.pk, facts.meter, facts.quota_period, facts.period_start_on


@dataclass(frozen=True, slots=True)
class MonitorResult:
    """What a pass did: how many tenants have a quota that was looked at, and the alerts that are new."""

    checked_at: datetime
    tenants: int
    alerts: tuple[RaisedAlert, ...]


@transaction.atomic
def monitor_thresholds(
    *, as_of: datetime, tenant_ids: Sequence[UUID] | None = None, last_pass_at: datetime | None = None
) -> MonitorResult:
    """Find what was crossed, of these tenants or of all, and tell of it. Any number of workers may do so at once.

    Periods that ended shortly before `as_of`, or before the last pass where that is given, are looked at as well.
    """
    looked_back_to = max((last_pass_at or as_of) - LOOK_BACK, as_of - LOOK_BACK_MAX)
    tenants, alerts = _raise_alerts(as_of, looked_back_to, tenant_ids)
    add_to_outbox((ThresholdReached(alert.tenant.pk, alert.facts) for alert in alerts), as_of=as_of)
    queue_mails(_mails(alerts, as_of), as_of=as_of)
    return MonitorResult(as_of, tenants, alerts)


def run_monitor(
    *, started_by: str, as_of: datetime, tenant_ids: Sequence[UUID] | None = None, actor: Actor | None = None
) -> MonitorResult:
    """The same as a recorded job; where a person or a program asked for it, `actor` is put into the audit log."""
    found: list[MonitorResult] = []
    passes = JobRun.objects.filter(name=ALERTS_JOB, outcome=JobOutcome.SUCCEEDED, started_at__lte=as_of)
    last_pass_at = passes.order_by("-started_at").values_list("started_at", flat=True).first()

    def work() -> JobReport:
        found.append(monitor_thresholds(as_of=as_of, tenant_ids=tenant_ids, last_pass_at=last_pass_at))
        return JobReport({"tenants": found[0].tenants, "alerts": len(found[0].alerts)})

    # Looking at some tenants must not pass for the look at all that is due.
    name = ALERTS_JOB if tenant_ids is None else ALERTS_OF_SOME_JOB
    run = run_job(name=name, started_by=started_by, as_of=as_of, work=work)
    if actor is not None:
        record_audit(
            actor=actor,
            action="alerts.checked",
            tenant_id=None,
            target=AuditTarget("job", run.pk, name),
            after=run.summary,
            as_of=as_of,
        )
    return found[0]


def _raise_alerts(
    as_of: datetime, looked_back_to: datetime, tenant_ids: Sequence[UUID] | None
) -> tuple[int, tuple[RaisedAlert, ...]]:
    rows = fetch_all(
        RAISE_ALERTS,
        {
            "as_of": as_of,
            "looked_back_to": looked_back_to,
            "live_statuses": sorted(LIVE_STATUSES),
            "thresholds": list(THRESHOLDS),
            "tenant_ids": None if tenant_ids is None else list(tenant_ids),
        },
    )
    tenants = Tenant.objects.in_bulk({row[2] for row in rows if row[1] is not None})
    return rows[0][0], tuple(_alert_of(row, tenants, as_of) for row in rows if row[1] is not None)


def _alert_of(row: tuple[Any, ...], tenants: dict[UUID, Tenant], as_of: datetime) -> RaisedAlert:
    _, alert_id, tenant_id, subscription_id, meter, name, unit, period, start_on, threshold, limit, quantity, hard = row
    tenant = tenants[tenant_id]
    facts = AlertFacts(
        id=alert_id,
        tenant=tenant.slug,
        time_zone=tenant.time_zone,
        subscription_id=subscription_id,
        meter=meter,
        unit=unit,
        quota_period=Period(period),
        period_start_on=start_on,
        threshold=threshold,
        limit=limit,
        quantity=quantity,
        occurred_at=as_of,
    )
    return RaisedAlert(facts, tenant, name, hard)


def _mails(alerts: Sequence[RaisedAlert], as_of: datetime) -> Iterator[NewMail]:
    """One mail for all thresholds of a quota that were crossed at once, to those who want it."""
    tenants = {alert.tenant.pk: alert.tenant for alert in alerts}
    recipients = recipients_by_tenant(tenants=tenants.values(), kind=USAGE_ALERT) if tenants else {}
    for (tenant_id, *_), of_one_quota in groupby(alerts, key=lambda alert: alert.quota):
        crossed = list(of_one_quota)
        if recipients[tenant_id]:
            yield _mail(crossed, recipients[tenant_id], as_of)


def _mail(crossed: Sequence[RaisedAlert], recipients: Sequence[str], as_of: datetime) -> NewMail:
    context = _mail_context(crossed, as_of)
    highest = crossed[-1]
    return NewMail(
        tenant_id=highest.tenant.pk,
        kind=USAGE_ALERT.name,
        # A threshold is crossed once for each quota and period, so the highest of a pass names its mail.
        dedupe_key=ThresholdReached(highest.tenant.pk, highest.facts).dedupe_key,
        recipients=recipients,
        subject=render_to_string("billing/email/usage_alert_subject.txt", context).strip(),
        text=render_to_string("billing/email/usage_alert.txt", context),
        html=render_to_string("billing/email/usage_alert.html", context),
    )


def _mail_context(crossed: Sequence[RaisedAlert], as_of: datetime) -> dict[str, object]:
    highest = crossed[-1]
    facts = highest.facts
    return {
        "tenant": highest.tenant,
        "meter_name": highest.meter_name,
        "unit": facts.unit,
        "threshold": facts.threshold,
        "thresholds": [alert.facts.threshold for alert in crossed],
        "is_used_up": facts.threshold == USED_UP,
        "quantity": grouped(facts.quantity),
        "limit": grouped(facts.limit),
        "percent": grouped(facts.percent),
        "filled_percent": min(int(facts.percent), USED_UP),
        "period": period_in_words(facts.quota_period, facts.period_start_on),
        "consequence": _consequence(highest, as_of),
        "url": f"{settings.PUBLIC_URL}{ALERTS_PATH.format(slug=facts.tenant)}",
    }


def _consequence(alert: RaisedAlert, as_of: datetime) -> str:
    """What happens now."""
    facts = alert.facts
    anew = f"begins anew on {period_in_words(Period.DAY, facts.next_start_on)} ({facts.time_zone})"
    if facts.span.end <= as_of:
        return f"That {facts.quota_period} has ended since; the next one began with nothing used."
    if not alert.is_hard:
        return (
            f"Nothing is refused: what goes beyond the quota counts on, and is billed as your plan says. The quota "
            f"{anew}."
        )
    refused = "are refused" if facts.threshold == USED_UP else "will be refused"
    return f"Requests beyond the quota {refused} until it {anew}."
