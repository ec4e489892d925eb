"""Threshold alerts: members are notified once when their tenant has used 80, 95 or 100 percent of a quota.

The same holds for the thresholds that the tenant has set itself, in percent or in units.

A selector finds the shares of quotas that are reached, and one statement inserts the new ones. The unique constraint
`threshold_alert_once` decides which of several workers inserts one. Outbox and mails are written in the same
transaction, so a notification is sent if and only if its alert is stored. docs/alerts.md lists what is checked.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from itertools import groupby
from typing import Final
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.template.loader import render_to_string

from accounts.domain.actor import Actor
from accounts.domain.job_report import JobReport
from accounts.domain.numbers import unit_name
from accounts.models import JobOutcome, JobRun, Tenant
from accounts.notices.selectors.recipients import recipients_by_tenant
from accounts.notices.services.mails import NewMail, queue_mails
from accounts.notices.services.outbox import add_to_outbox
from accounts.services.audit import AuditTarget, record_audit
from accounts.services.jobs import run_job
from accounts.sql import as_json, fetch_all
from metering.alerts.domain.alerts import (
    THRESHOLDS,
    USAGE_ALERT,
    USED_UP,
    AlertFacts,
    AlertPeriod,
    ThresholdReached,
    grouped,
    has_reached,
    period_in_words,
)
from metering.alerts.selectors.alerts import agreements_of
from metering.alerts.selectors.quota_windows import QuotaWindow, quota_windows
from metering.alerts.services.budget_alerts import budget_mails, raise_budget_alerts, stop_spending
from metering.alerts.services.raised import RaisedAlert, figures_of
from metering.domain.periods import Period
from metering.selectors.budget_usage import BudgetWindow, budget_windows

ALERTS_JOB: Final = "alerts"
ALERTS_OF_SOME_JOB: Final = "alerts of some"
# A period is checked for this long after its end: events arrive in its last minutes, or within an invoice's usual
# grace. If no check ran for a while, because no worker ran, the next one looks back to the last successful check.
LOOK_BACK: Final = timedelta(hours=2)
LOOK_BACK_MAX: Final = timedelta(days=35)
ALERTS_PATH: Final = "/t/{slug}/alerts/"

# Rows are inserted in the order of the unique key, so that two workers cannot deadlock.
# The stored quantity is bounded by its column; the compared one is not.
RAISE_ALERTS: Final = """
INSERT INTO alerts_thresholdalert
    (tenant_id, kind, agreement_id, meter_id, quota_period, period_start_on, threshold, threshold_quantity,
    "limit", quantity, occurred_at)
SELECT c.tenant_id, 'threshold', c.agreement_id, c.meter_id, c.quota_period, c.period_start_on, c.threshold,
    c.threshold_quantity, c.limit, least(c.quantity, 99999999999999999999999999999::numeric), %(as_of)s::timestamptz
FROM jsonb_to_recordset(%(crossed)s::jsonb) AS c(
    position int, tenant_id uuid, agreement_id uuid, meter_id bigint, quota_period text,
    period_start_on date, threshold int, threshold_quantity numeric, "limit" numeric, quantity numeric)
ORDER BY c.position
ON CONFLICT DO NOTHING
RETURNING id, tenant_id, meter_id, quota_period, period_start_on, threshold, threshold_quantity, quantity
"""


@dataclass(frozen=True, slots=True)
class _Crossing:
    """A threshold of a quota that is reached, whether or not an alert was raised before: a percentage or a quantity."""

    window: QuotaWindow
    threshold: int | None
    threshold_quantity: Decimal | None
    agreement_id: UUID | None

    @property
    def key(self) -> tuple[UUID, int, str, date, int | None, Decimal | None]:
        """Return the unique key of its alert; a quota of a window has one limit."""
        window = self.window
        of_window = window.tenant_id, window.meter_id, window.period, window.first_day
        return (*of_window, self.threshold, self.threshold_quantity)

    def as_row(self, position: int) -> dict[str, object]:
        """Return the row for the statement, which inserts rows in the order of `position`."""
        window = self.window
        return {
            "position": position,
            "tenant_id": window.tenant_id,
            "agreement_id": self.agreement_id,
            "meter_id": window.meter_id,
            "quota_period": window.period,
            "period_start_on": window.first_day,
            "threshold": self.threshold,
            "threshold_quantity": self.threshold_quantity,
            "limit": window.limit,
            "quantity": window.used,
        }

    def raised(self, alert_id: int, quantity: Decimal, *, tenant: Tenant, as_of: datetime) -> RaisedAlert:
        """Return the alert that was stored for it."""
        window = self.window
        period = AlertPeriod(Period(window.period), window.first_day, tenant.time_zone, tenant.period_anchor_on)
        facts = AlertFacts(
            id=alert_id,
            tenant=tenant.slug,
            agreement_id=self.agreement_id,
            meter=window.meter,
            unit=window.unit,
            quota_period=period,
            threshold=self.threshold,
            threshold_quantity=self.threshold_quantity,
            limit=window.limit,
            quantity=quantity,
            occurred_at=as_of,
        )
        return RaisedAlert(facts, tenant, window.meter_name, window.is_hard, period, window.limit)


@dataclass(frozen=True, slots=True)
class MonitorResult:
    """The result of a pass: the number of tenants whose quotas were checked, and the new alerts."""

    checked_at: datetime
    tenants: int
    alerts: tuple[RaisedAlert, ...]


def monitor_thresholds(
    *, as_of: datetime, tenant_ids: Sequence[UUID] | None = None, last_pass_at: datetime | None = None
) -> MonitorResult:
    """Raise alerts for crossed thresholds of these tenants, or of all. Any number of workers may do so at once.

    Periods that ended shortly before `as_of`, or since `last_pass_at` if that is given, are checked as well. Budgets in
    money that are exceeded stop requests first, outside the transaction: an owner who raises one does not wait for it.
    """
    looked_back_to = max((last_pass_at or as_of) - LOOK_BACK, as_of - LOOK_BACK_MAX)
    windows = budget_windows(as_of=as_of, looked_back_to=looked_back_to, tenant_ids=tenant_ids)
    stop_spending(windows, as_of=as_of)
    return _monitor(as_of, looked_back_to, tenant_ids, windows)


@transaction.atomic
def _monitor(
    as_of: datetime,
    looked_back_to: datetime,
    tenant_ids: Sequence[UUID] | None,
    windows: Sequence[BudgetWindow],
) -> MonitorResult:
    tenants, alerts = _raise_alerts(as_of, looked_back_to, tenant_ids)
    of_budgets = raise_budget_alerts(windows, as_of=as_of)
    found = (*alerts, *of_budgets)
    add_to_outbox((ThresholdReached(alert.tenant.pk, alert.facts) for alert in found), as_of=as_of)
    queue_mails((*_mails(alerts, as_of), *budget_mails(of_budgets, as_of=as_of)), as_of=as_of)
    return MonitorResult(as_of, tenants, found)


def run_monitor(
    *, started_by: str, as_of: datetime, tenant_ids: Sequence[UUID] | None = None, actor: Actor | None = None
) -> MonitorResult:
    """Run `monitor_thresholds` as a recorded job. If a person or a program started it, `actor` is audited."""
    found: list[MonitorResult] = []
    passes = JobRun.objects.filter(name=ALERTS_JOB, outcome=JobOutcome.SUCCEEDED, started_at__lte=as_of)
    last_pass_at = passes.order_by("-started_at").values_list("started_at", flat=True).first()

    def work() -> JobReport:
        found.append(monitor_thresholds(as_of=as_of, tenant_ids=tenant_ids, last_pass_at=last_pass_at))
        return JobReport({"tenants": found[0].tenants, "alerts": len(found[0].alerts)})

    # A check of some tenants must not count as the scheduled check of all.
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
    tenants, windows = quota_windows(
        as_of=as_of, looked_back_to=looked_back_to, percent_min=THRESHOLDS[0], tenant_ids=tenant_ids
    )
    if not windows:
        return tenants, ()
    agreements = agreements_of({window.tenant_id for window in windows})
    crossed = [
        _Crossing(window, threshold, quantity, agreements.get(window.tenant_id))
        for window in windows
        for threshold, quantity in _thresholds_reached(window)
    ]
    rows = [crossing.as_row(position) for position, crossing in enumerate(crossed)]
    raised = {
        tuple(key): (alert_id, quantity)
        for alert_id, *key, quantity in fetch_all(RAISE_ALERTS, {"as_of": as_of, "crossed": as_json(rows)})
    }
    of_tenants = Tenant.objects.in_bulk({tenant_id for tenant_id, *_ in raised})
    return tenants, tuple(
        crossing.raised(*raised[crossing.key], tenant=of_tenants[crossing.window.tenant_id], as_of=as_of)
        for crossing in crossed
        if crossing.key in raised
    )


def _thresholds_reached(window: QuotaWindow) -> Iterator[tuple[int | None, Decimal | None]]:
    """Yield each threshold that is reached, in one order for all workers: percentages, then quantities."""
    for threshold in sorted({*THRESHOLDS, *window.own_percents}):
        if has_reached(threshold, used=window.used, limit=window.limit):
            yield threshold, None
    for quantity in window.own_quantities:
        if window.used >= quantity:
            yield None, quantity


def _mails(alerts: Sequence[RaisedAlert], as_of: datetime) -> Iterator[NewMail]:
    """Yield one mail for all thresholds of a quota that were crossed at once, to the members who want it."""
    tenants = {alert.tenant.pk: alert.tenant for alert in alerts}
    recipients = recipients_by_tenant(tenants=tenants.values(), kind=USAGE_ALERT) if tenants else {}
    for (tenant_id, *_), of_one_quota in groupby(alerts, key=lambda alert: alert.quota):
        crossed = sorted(of_one_quota, key=lambda alert: alert.reached_at)
        if recipients[tenant_id]:
            yield _mail(crossed, recipients[tenant_id], as_of)


def _mail(crossed: Sequence[RaisedAlert], recipients: Sequence[str], as_of: datetime) -> NewMail:
    context = _mail_context(crossed, as_of)
    highest = crossed[-1]
    return NewMail(
        tenant_id=highest.tenant.pk,
        kind=USAGE_ALERT.name,
        # A threshold is crossed once for each quota and period, so the highest of a pass identifies its mail.
        dedupe_key=ThresholdReached(highest.tenant.pk, highest.facts).dedupe_key,
        recipients=recipients,
        subject=render_to_string("alerts/email/usage_alert_subject.txt", context).strip(),
        text=render_to_string("alerts/email/usage_alert.txt", context),
        html=render_to_string("alerts/email/usage_alert.html", context),
    )


def _mail_context(crossed: Sequence[RaisedAlert], as_of: datetime) -> dict[str, object]:
    highest = crossed[-1]
    facts = highest.facts
    return figures_of(crossed) | {
        "meter_name": highest.meter_name,
        "unit": unit_name(facts.unit or "", highest.limit),
        "is_used_up": highest.threshold == USED_UP,
        "passed_quantity": "" if facts.threshold_quantity is None else highest.threshold_text,
        "quantity": grouped(facts.quantity),
        "limit": grouped(highest.limit),
        "consequence": _consequence(highest, as_of),
        "url": f"{settings.PUBLIC_URL}{ALERTS_PATH.format(slug=facts.tenant)}",
    }


def _consequence(alert: RaisedAlert, as_of: datetime) -> str:
    """Return the sentence about what happens to requests now."""
    period, zone = alert.period, alert.tenant.time_zone
    resets_on = f"{period_in_words(Period.DAY, period.next_start_on)} ({zone})"
    if period.span.end <= as_of:
        return f"That {period.period.words} has ended since. Usage started again from 0."
    if not alert.is_hard:
        return (
            f"No requests are refused. Usage beyond the quota is billed as your plan says. The quota resets on "
            f"{resets_on}."
        )
    is_used_up = has_reached(USED_UP, used=alert.facts.quantity, limit=alert.limit)
    refused = "are refused" if is_used_up else "will be refused"
    return f"Requests beyond the quota {refused} until {resets_on}."
