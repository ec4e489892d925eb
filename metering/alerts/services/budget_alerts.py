"""Alerts of budgets: each threshold once a period and limit, and the stop of one in money that is exceeded.

Part of the pass of `monitor_thresholds`. A budget in units that stops refuses by itself, exactly;
one in money refuses from the pass that finds it exceeded: docs/budgets.md.
"""

from collections.abc import Iterator, Sequence
from datetime import date, datetime
from decimal import Decimal
from itertools import groupby
from typing import Final
from uuid import UUID

from django.conf import settings
from django.template.loader import render_to_string

from accounts.domain.numbers import unit_name
from accounts.models import Tenant
from accounts.notices.selectors.recipients import recipients_by_tenant
from accounts.notices.services.mails import NewMail
from accounts.sql import as_json, fetch_all
from metering.alerts.domain.alerts import (
    USAGE_ALERT,
    USED_UP,
    AlertFacts,
    AlertKind,
    AlertPeriod,
    ThresholdReached,
    grouped,
    has_reached,
    period_in_words,
)
from metering.alerts.selectors.alerts import agreements_of
from metering.alerts.services.raised import RaisedAlert, figures_of
from metering.domain.budgets import BudgetScope, straight_line
from metering.domain.periods import Period
from metering.models import Budget
from metering.selectors.budget_usage import BudgetWindow, spend_source
from metering.services.budgets import stop_by_budget

ALERTS_PATH: Final = "/t/{slug}/alerts/"  # which every recipient may open, whatever their role
_QUANTITY_MAX: Final = Decimal(10) ** 29 - 1

RAISE_BUDGET_ALERTS: Final = """
INSERT INTO alerts_thresholdalert
    (tenant_id, kind, agreement_id, meter_id, currency, budget_id, subject, api_key_id, quota_period, period_start_on,
    threshold, "limit", quantity, expected, occurred_at)
SELECT c.tenant_id, 'budget', c.agreement_id, c.meter_id, c.currency, c.budget_id, c.subject, c.api_key_id,
    c.quota_period, c.period_start_on, c.threshold, c.limit, c.quantity, c.expected, %(as_of)s::timestamptz
FROM jsonb_to_recordset(%(crossed)s::jsonb) AS c(
    position int, tenant_id uuid, agreement_id uuid, meter_id bigint, currency text, budget_id uuid, subject text,
    api_key_id uuid, quota_period text, period_start_on date, threshold int, "limit" numeric, quantity numeric,
    expected numeric)
ORDER BY c.position
ON CONFLICT DO NOTHING
RETURNING id, budget_id, period_start_on, threshold
"""


def raise_budget_alerts(windows: Sequence[BudgetWindow], *, as_of: datetime) -> tuple[RaisedAlert, ...]:
    """Raise the alerts of budgets that are due.

    Any number of workers may do so at once: the unique constraint `budget_alert_once` decides which inserts an alert.
    """
    crossed = [
        (window, threshold)
        for window in windows
        for threshold in window.budget.thresholds
        if has_reached(threshold, used=window.used, limit=window.budget.limit)
    ]
    if not crossed:
        return ()
    agreements = agreements_of({window.budget.tenant_id for window, _ in crossed})
    rows = [
        _row(position, window, threshold, agreements.get(window.budget.tenant_id), as_of)
        for position, (window, threshold) in enumerate(crossed)
    ]
    found = fetch_all(RAISE_BUDGET_ALERTS, {"as_of": as_of, "crossed": as_json(rows)})
    ids: dict[tuple[UUID, date, int], int] = {tuple(key): alert_id for alert_id, *key in found}
    return tuple(
        _raised(ids[key], window, threshold, agreements.get(window.budget.tenant_id), as_of)
        for window, threshold in crossed
        if (key := (window.budget.pk, window.first_day, threshold)) in ids
    )


def budget_mails(alerts: Sequence[RaisedAlert], *, as_of: datetime) -> Iterator[NewMail]:
    """Yield one mail for all thresholds of a budget that were crossed at once, to the members who want it."""
    tenants = {alert.tenant.pk: alert.tenant for alert in alerts}
    recipients = recipients_by_tenant(tenants=tenants.values(), kind=USAGE_ALERT) if tenants else {}
    for _, of_one_budget in groupby(alerts, key=lambda alert: (alert.facts.budget_id, alert.period.start_on)):
        crossed = list(of_one_budget)
        highest = crossed[-1]
        context = _mail_context(crossed, as_of)
        yield NewMail(
            tenant_id=highest.tenant.pk,
            kind=USAGE_ALERT.name,
            dedupe_key=ThresholdReached(highest.tenant.pk, highest.facts).dedupe_key,
            recipients=recipients[highest.tenant.pk],
            subject=render_to_string("alerts/email/budget_alert_subject.txt", context).strip(),
            text=render_to_string("alerts/email/budget_alert.txt", context),
            html=render_to_string("alerts/email/budget_alert.html", context),
            page="alerts/",
        )


def whose_words(budget: Budget) -> str:
    """Return whose usage a budget counts, as in "of the subject ann"; empty for the whole organisation."""
    if budget.scope == BudgetScope.TENANT:
        return ""
    return f"of the subject {budget.scope_id}" if budget.scope == BudgetScope.SUBJECT else "of a key"


def stop_spending(windows: Sequence[BudgetWindow], *, as_of: datetime) -> None:
    """Stop requests until the current period of each budget in money that is exceeded ends."""
    for window in windows:
        budget, until = window.budget, window.span.end
        if budget.currency and budget.does_stop and window.used >= budget.limit and as_of < until:
            stop_by_budget(budget_id=budget.pk, spent=window.used, until=until)


def _row(
    position: int, window: BudgetWindow, threshold: int, agreement_id: UUID | None, as_of: datetime
) -> dict[str, object]:
    budget = window.budget
    return {
        "position": position,
        "tenant_id": budget.tenant_id,
        "agreement_id": agreement_id,
        "meter_id": budget.meter_id,
        "currency": budget.currency,
        "budget_id": budget.pk,
        "subject": budget.scope_id if budget.scope == BudgetScope.SUBJECT else "",
        "api_key_id": budget.scope_id if budget.scope == BudgetScope.API_KEY else None,
        "quota_period": budget.period,
        "period_start_on": window.first_day,
        "threshold": threshold,
        "limit": budget.limit,
        "quantity": min(window.used, _QUANTITY_MAX),
        "expected": min(forecast_of(window, as_of), _QUANTITY_MAX),
    }


def forecast_of(window: BudgetWindow, as_of: datetime) -> Decimal:
    """Return what the budget's period will come to, in a straight line; money in whole minor units."""
    ahead = straight_line(max(window.used, Decimal(0)), window.span, as_of)
    return ahead.to_integral_value() if window.budget.currency else ahead


def _raised(
    alert_id: int, window: BudgetWindow, threshold: int, agreement_id: UUID | None, as_of: datetime
) -> RaisedAlert:
    budget = window.budget
    tenant: Tenant = budget.tenant
    period = AlertPeriod(Period(budget.period), window.first_day, tenant.time_zone, tenant.period_anchor_on)
    facts = AlertFacts(
        id=alert_id,
        kind=AlertKind.BUDGET,
        tenant=tenant.slug,
        agreement_id=agreement_id,
        meter=budget.meter.code if budget.meter else None,
        unit=budget.meter.unit if budget.meter else None,
        currency=budget.currency or None,
        budget_id=budget.pk,
        subject=budget.scope_id if budget.scope == BudgetScope.SUBJECT else None,
        api_key_id=UUID(budget.scope_id) if budget.scope == BudgetScope.API_KEY else None,
        quota_period=period,
        threshold=threshold,
        limit=budget.limit,
        quantity=min(window.used, _QUANTITY_MAX),
        expected=min(forecast_of(window, as_of), _QUANTITY_MAX),
        occurred_at=as_of,
    )
    measure = budget.meter.name if budget.meter else "spend"
    name = " ".join(part for part in (measure, whose_words(budget)) if part)
    return RaisedAlert(facts, tenant, name, budget.does_stop, period, budget.limit)


def _mail_context(crossed: Sequence[RaisedAlert], as_of: datetime) -> dict[str, object]:
    highest = crossed[-1]
    facts = highest.facts
    expected = facts.expected if facts.expected is not None and highest.period.span.contains(as_of) else None
    return figures_of(crossed) | {
        "name": highest.meter_name,
        "is_used_up": _is_used_up(highest),
        "quantity": _amount(facts.quantity, facts),
        "limit": _amount(highest.limit, facts),
        "expected": "" if expected is None else _amount(expected, facts),
        "consequence": _consequence(highest, as_of),
        "url": f"{settings.PUBLIC_URL}{ALERTS_PATH.format(slug=facts.tenant)}",
    }


def _is_used_up(alert: RaisedAlert) -> bool:
    return alert.threshold is not None and alert.threshold >= USED_UP


def _amount(quantity: Decimal, facts: AlertFacts) -> str:
    if facts.currency:
        return spend_source().text(quantity, facts.currency)
    return f"{grouped(quantity)} {unit_name(facts.unit or '', quantity)}"


def _consequence(alert: RaisedAlert, as_of: datetime) -> str:
    """Return the sentence about what happens to requests now."""
    period = alert.period
    resets_on = f"{period_in_words(Period.DAY, period.next_start_on)} ({alert.tenant.time_zone})"
    if period.span.end <= as_of:
        return f"That {period.period.words} has ended since. The budget started again from 0."
    if not alert.is_hard:
        return f"No requests are refused. The budget starts again on {resets_on}."
    refused = "are refused" if _is_used_up(alert) else "will be refused"
    return f"Requests beyond the budget {refused} until {resets_on}, or until you raise it."
