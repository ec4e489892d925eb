"""The first page of the staff admin: incoming events, usage by tenant, and what staff should look at.

Each part is one query over all tenants, whatever their number.
"""

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

from django.db.models import Count
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone

from accounts.domain.numbers import counted
from accounts.models import Circuit, Tenant
from config.operations.queue import queue_state
from config.operations.schedules import job_states
from config.staff.money import money_concerns, money_of
from metering.domain.periods import start_of_hour
from metering.selectors.operations import (
    QuotaUse,
    events_by_hour,
    partition_days_ahead,
    quota_uses,
    refusals_since,
    usage_totals,
)
from metering.selectors.uncounted import uncounted_ledgers

HOURS: Final = 24
_HOUR: Final = timedelta(hours=1)
_DAY: Final = timedelta(days=1)
# Legible in the light and the dark theme.
_GREY: Final = "#76847b"
_GREY_FAINT: Final = "rgba(118, 132, 123, 0.25)"
NEAR_PERCENT: Final = Decimal(80)
TENANTS_SHOWN_MAX: Final = 8
PARTITION_DAYS_LEAST: Final = 14


@dataclass(frozen=True, slots=True)
class Concern:
    """A matter that staff should look at. `severity` is a colour: near or full."""

    title: str
    detail: str
    url: str
    severity: str


@dataclass(frozen=True, slots=True)
class TenantUse:
    """A tenant near or over a quota."""

    tenant: Tenant
    use: QuotaUse


def dashboard(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """Add the figures to the page's context, for those who may see tenants."""
    if not request.user.has_perm("accounts.view_tenant"):
        return context | {"may_see_figures": False}
    as_of = timezone.now()
    money = money_of(request, as_of=as_of, options=CHART_OPTIONS)
    hour = start_of_hour(as_of)
    counts = events_by_hour(start=hour - 2 * _DAY + _HOUR, end=hour + _HOUR)
    today = [hour - (HOURS - 1 - n) * _HOUR for n in range(HOURS)]
    return context | {
        "may_see_figures": True,
        "as_of": as_of,
        "events_today": sum(counts.get(at, 0) for at in today),
        "events_yesterday": sum(counts.get(at - _DAY, 0) for at in today),
        "chart": json.dumps(_chart(today, counts)),
        "chart_options": json.dumps(CHART_OPTIONS),
        "totals": usage_totals(start=hour + _HOUR - 30 * _DAY, end=hour + _HOUR),
        "tenants": dict(Tenant.objects.order_by().values_list("status").annotate(number=Count("pk"))),
        "refusals": refusals_since(as_of - _DAY),
        "queue": queue_state(as_of),
        "fullest": _fullest(as_of),
        "money": money,
        "concerns": [*_money_concerns(money), *_concerns(as_of)],
        "jobs": job_states(as_of=as_of),
    }


# Options replace unfold's, which hide the axes.
CHART_OPTIONS: Final = {
    "maintainAspectRatio": False,
    "animation": False,
    "interaction": {"mode": "index", "intersect": False},
    "plugins": {
        "legend": {
            "display": True,
            "position": "top",
            "align": "end",
            "labels": {"boxWidth": 10, "boxHeight": 10, "color": _GREY},
        }
    },
    "scales": {
        "x": {"grid": {"display": False}, "ticks": {"maxRotation": 0, "autoSkipPadding": 16, "color": _GREY}},
        "y": {
            "beginAtZero": True,
            "border": {"display": False},
            "ticks": {"precision": 0, "maxTicksLimit": 6, "color": _GREY},
            "grid": {"color": _GREY_FAINT},
        },
    },
}


def _chart(hours: list[datetime], counts: dict[datetime, int]) -> dict[str, Any]:
    return {
        "labels": [f"{at:%H}:00" for at in hours],
        "datasets": [
            {
                "label": "Last 24 hours",
                "data": [counts.get(at, 0) for at in hours],
                "backgroundColor": "var(--color-primary-500)",
                "borderRadius": 3,
            },
            {
                "label": "The day before",
                "data": [counts.get(at - _DAY, 0) for at in hours],
                "type": "line",
                "borderColor": "#c07a1a",
                "backgroundColor": "#c07a1a",
                "borderWidth": 1.5,
                "pointRadius": 0,
                "tension": 0.3,
            },
        ],
    }


def _fullest(as_of: datetime) -> list[TenantUse]:
    """Return the tenants nearest to a quota or over it, the fullest first."""
    by_tenant: dict[UUID, QuotaUse] = {}
    for tenant_id, uses in quota_uses(as_of=as_of).items():
        fullest = max(uses, key=lambda use: use.percent)
        if fullest.percent >= NEAR_PERCENT:
            by_tenant[tenant_id] = fullest
    chosen = sorted(by_tenant.values(), key=lambda use: use.percent, reverse=True)[:TENANTS_SHOWN_MAX]
    tenants = Tenant.objects.in_bulk([use.tenant_id for use in chosen])
    return [TenantUse(tenants[use.tenant_id], use) for use in chosen]


def _concerns(as_of: datetime) -> list[Concern]:
    return [*_outage_concerns(), *_job_concerns(as_of), *_queue_concerns(as_of), *_ingest_concerns(as_of)]


def _outage_concerns() -> list[Concern]:
    """Return the unavailable external services, which are retried automatically."""
    url = reverse("admin:accounts_circuit_changelist")
    ledgers, since = uncounted_ledgers()
    missed = f"since {since:%Y-%m-%d %H:%M} UTC, of {counted(ledgers, 'ledgers')}" if since else ""
    uncounted = [Concern("The store of limits has missed events", missed, "", "full")] if since else []
    return uncounted + [
        Concern(
            f"{circuit.name.capitalize()} is unavailable", f"since {circuit.opened_at:%Y-%m-%d %H:%M} UTC", url, "full"
        )
        for circuit in Circuit.objects.exclude(opened_at=None)
    ]


def _money_concerns(money: dict[str, Any] | None) -> list[Concern]:
    found = money_concerns(money["waiting"]) if money else []
    return [Concern(concern.title, concern.detail, concern.url, "full") for concern in found]


def _job_concerns(as_of: datetime) -> list[Concern]:
    concerns = []
    for state in job_states(as_of=as_of):
        if state.run is not None and state.needs_attention and not state.is_overdue:
            detail = ", ".join(
                f"{name} {value}" for name, value in state.run.summary.items() if not isinstance(value, list)
            )
            url = reverse("admin:accounts_jobrun_change", args=[state.run.pk])
            severity = "full" if state.run.outcome == "failed" else "near"
            concerns.append(
                Concern(f"{state.job.title}: {state.run.get_outcome_display().lower()}", detail, url, severity)
            )
        elif state.is_overdue:
            ran = "never ran" if state.run is None else f"last ran at {state.run.started_at:%Y-%m-%d %H:%M} UTC"
            concerns.append(
                Concern(f"{state.job.title}: overdue", ran, reverse("admin:django_q_schedule_changelist"), "near")
            )
    return concerns


def _queue_concerns(as_of: datetime) -> list[Concern]:
    state = queue_state(as_of)
    concerns = []
    if not state.clusters:
        concerns.append(
            Concern(
                "No worker is running", f"{state.waiting} tasks wait", reverse("admin:django_q_ormq_changelist"), "full"
            )
        )
    if state.failed:
        concerns.append(
            Concern(
                "Failed tasks",
                f"{state.failed} wait for a decision",
                reverse("admin:django_q_failure_changelist"),
                "full",
            )
        )
    return concerns


def _ingest_concerns(as_of: datetime) -> list[Concern]:
    concerns = []
    refusals = refusals_since(as_of - _DAY)
    refused = refusals.get("rejected", 0) + refusals.get("conflict", 0)
    url = reverse("admin:metering_ingestverdict_changelist")
    if refused:
        concerns.append(Concern("Refused events", f"{refused} in 24 hours, rejected or in conflict", url, "near"))
    days = partition_days_ahead(as_of=as_of)
    if days < PARTITION_DAYS_LEAST:
        schedules = reverse("admin:django_q_schedule_changelist")
        concerns.append(
            Concern("Partitions run out", f"Events are refused in {counted(days, 'days')}.", schedules, "full")
        )
    return concerns
