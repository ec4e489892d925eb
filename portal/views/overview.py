"""A tenant's overview: what the period costs, usage against quotas, and usage by day, by hour and by key."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Final
from urllib.parse import urlencode
from uuid import UUID
from zoneinfo import ZoneInfo

from django.http import HttpResponse, QueryDict
from django.shortcuts import render

from accounts.domain.numbers import unit_name
from accounts.domain.roles import Capability
from accounts.selectors.directory import SERVICE_KEY, KeyLabel, key_labels
from billing.models import BillingProfile, Invoice
from metering.alerts.domain.crossings import crossing_in_words
from metering.alerts.selectors.alerts import crossing_of_alert, predicted_crossings_of
from metering.alerts.selectors.amounts import measure_name
from metering.domain.http_requests import API_REQUESTS
from metering.domain.ledger import Ledger
from metering.domain.periods import Span, YearMonth, is_in_reach, local_day
from metering.domain.windows import Window, window_starts
from metering.errors import EventsDeletedError, QueryTooLargeError
from metering.selectors.limits import tenant_limits
from metering.selectors.usage import HourUsage, meter_named, monthly_usage, realtime_usage
from metering.selectors.usage_query import API_KEY, UsageQuestion, UsageRow, query_usage
from portal.access import Portal, SignedInRequest, tenant_page
from portal.budget_rows import budget_rows
from portal.forms.period import PeriodForm
from portal.money_ahead import compared_with_last, money_ahead
from portal.periods import BILLING, CUSTOM
from portal.quota_bars import held_of, month_bars, quota_bars
from portal.usage_table import UsageTable, UsageTableRow, chart_of, usage_table
from portal.used_up import used_up_quotas_of
from portal.views.usage import calendar_of

_HUNDRED: Final = Decimal(100)
_KEYS_SHOWN: Final = 6
_INVOICES_SHOWN: Final = 5
# A longer period is shown by months.
_DAYS_MAX: Final = 100


@dataclass(frozen=True, slots=True)
class KeyBar:
    """The usage of one key, and its share of the busiest key's."""

    label: str
    quantity: Decimal
    percent: int


@tenant_page("overview")
def overview(request: SignedInRequest, portal: Portal) -> HttpResponse:
    """Render what the period costs, usage against quota with its forecast, and charts of the chosen period."""
    calendar, ledger = calendar_of(portal), portal.ledger(is_live=True)
    form = PeriodForm(_given(request.GET), calendar=calendar)
    is_valid = form.is_valid() and "span" in form.cleaned_data
    span = form.cleaned_data["span"] if is_valid else calendar.span(BILLING)
    is_current = span.contains(portal.as_of)
    month = monthly_usage(ledger=ledger, month=YearMonth.of(calendar.today), as_of=portal.as_of)
    bars = month_bars(portal, month.meters, held := held_of(portal) if is_current else {})
    chosen = next((bar.usage for bar in bars if bar.usage.meter == request.GET.get("meter")), None)
    main = chosen or next(bar.usage for bar in bars if bar.usage.meter == API_REQUESTS)
    found = realtime_usage(ledger=ledger, meter=meter_named(main.meter), as_of=portal.as_of) if is_current else []
    hours = _local_hours(found, ledger)
    context = {
        "portal": portal,
        "form": form,
        "span": span,
        "is_current": is_current,
        "limits": tenant_limits(portal.tenant.pk),
        "used_up": used_up_quotas_of(portal) if is_current else [],
        "crossings": _crossings(portal, calendar.today) if is_current else [],
        "bars": bars,
        "quota_bars": quota_bars(portal, month.meters, held) if is_current else [],
        "has_held": bool(held),
        "next_month": YearMonth.of(calendar.today).plus(1).first_day(),
        "main": main,
        "hours": hours,
        "hours_chart": _hours_chart(hours, main.name, main.unit),
    }
    context["meter_query"] = urlencode({name: value for name, value in form.chosen.items() if value})
    context |= _days(portal, span, main.meter, main.unit, form)
    context["is_empty"] = is_current and not any(bar.usage.quantity for bar in bars) and not context["total"]
    if portal.may[Capability.MANAGE_BILLING]:
        context |= _money(portal) if is_current else {"invoices": _invoices_of(portal, span)}
    return render(request, "portal/overview.html", context)


def _crossings(portal: Portal, today: date) -> list[str]:
    """Return a sentence for each quota that will be used up."""
    found = predicted_crossings_of(tenant_id=portal.tenant.pk, today=today)
    days = ((measure_name(alert), crossing_of_alert(alert)) for alert in found)
    return [f"{name} will reach 100 % of the quota {crossing_in_words(one)}." for name, one in days if one is not None]


def _given(query: QueryDict) -> Mapping[str, str]:
    """Return the choice in an address; `month=2026-02` is that month."""
    month = YearMonth.parse(query.get("month", ""))
    if month is None or not is_in_reach(month.first_day()):
        return {name: query.get(name, "") for name in PeriodForm.base_fields}
    last = month.plus(1).first_day() - timedelta(days=1)
    return {"period": CUSTOM, "start": month.first_day().isoformat(), "end": last.isoformat()}


def _money(portal: Portal) -> dict[str, object]:
    """Return what the next invoice has, how it is paid, and which invoices are open."""
    subscription = portal.standing.subscription
    unpaid = Invoice.objects.of_tenant(portal.tenant.pk).unpaid().order_by("due_on", "number")
    found: dict[str, object] = {
        "open_invoices": [one for one in unpaid[:_INVOICES_SHOWN] if one.amount_due_minor > 0],
        "owing": {invoice.pk for invoice in portal.standing.owing},
        "profile": BillingProfile.objects.filter(tenant=portal.tenant).first(),
        "has_money": subscription is not None,
        "budgets": budget_rows(portal) if portal.may[Capability.MANAGE_TENANT] else [],
    }
    ahead = None if subscription is None else money_ahead(subscription, portal.as_of)
    if ahead is not None:
        found |= {"ahead": ahead, "compared": compared_with_last(ahead)}
    return found


def _invoices_of(portal: Portal, span: Span) -> list[Invoice]:
    """Return the invoices of the periods that a past span has an instant of, the newest first."""
    invoices = Invoice.objects.of_tenant(portal.tenant.pk).issued()
    within = invoices.filter(period_start__lt=span.end, period_end__gt=span.start, boundary__isnull=False)
    return list(within.order_by("-period_start")[:_INVOICES_SHOWN])


def _days(portal: Portal, span: Span, code: str, unit: str, form: PeriodForm) -> dict[str, object]:
    """Return a meter's days of the period, and the API requests by key."""
    ledger, rule = portal.ledger(is_live=True), meter_named(code)
    window = Window.DAY if (span.end - span.start).days <= _DAYS_MAX else Window.MONTH
    question = UsageQuestion(meter=rule, span=span, window=window, until=portal.as_of)
    try:
        rows = query_usage(ledger=ledger, question=question)
        by_key = query_usage(ledger=ledger, question=UsageQuestion(meter_named(API_REQUESTS), span, None, (API_KEY,)))
    except (EventsDeletedError, QueryTooLargeError) as error:
        return {"refusal": error.detail, "total": None}
    zone = ledger.time_zone
    starts = [start for start in window_starts(window, span, zone) if start <= portal.as_of]
    table = usage_table(usage=rows, starts=starts, window=window, time_zone=zone, group_by=(), unit=unit, names={})
    today = (row.total for row in table.rows if local_day(row.start, zone) == form.calendar.today)
    return {
        "window": window,
        "table": table,
        "newest_first": table.rows[::-1],
        "total": table.total if rule.aggregation.is_divisible else None,
        "today": next(today, None) if window is Window.DAY else None,
        "busiest": _busiest(table) if window is Window.DAY else None,
        "chart": chart_of(table, unit=unit, borders=form.calendar.borders(span)),
        "keys": _key_bars(by_key, key_labels(tenant_id=portal.tenant.pk)),
    }


def _busiest(table: UsageTable) -> UsageTableRow | None:
    """Return the day with the most usage, the earlier of two; None without usage."""
    busiest = max(table.rows, key=lambda row: row.total, default=None)
    return busiest if busiest is not None and busiest.total else None


def _local_hours(hours: Sequence[HourUsage], ledger: Ledger) -> list[tuple[str, Decimal]]:
    zone = ZoneInfo(ledger.time_zone)
    return [(hour.window_start.astimezone(zone).strftime("%a %H:%M"), hour.quantity) for hour in hours]


def _hours_chart(hours: Sequence[tuple[str, Decimal]], name: str, unit: str) -> dict[str, object]:
    """Return the hours as bars: a line between them would show usage that never was."""
    series = {"name": name, "values": [format(quantity, "f") for _, quantity in hours], "is_forecast": False}
    return {
        "kind": "bar",
        "labels": [label for label, _ in hours],
        "unit": unit,
        "unit_of_one": unit_name(unit, 1),
        "is_stacked": False,
        "series": [series],
        "limit": None,
    }


def _key_bars(rows: Sequence[UsageRow], labels: Mapping[UUID, KeyLabel]) -> list[KeyBar]:
    used = sorted(rows, key=lambda row: (-row.quantity, row.group[API_KEY] or ""))
    largest = used[0].quantity if used else Decimal(0)
    return [
        KeyBar(
            label=str(labels.get(UUID(key), SERVICE_KEY)) if (key := row.group[API_KEY]) else "Imported, without a key",
            quantity=row.quantity,
            percent=int(row.quantity * _HUNDRED / largest) if largest else 0,
        )
        for row in used[:_KEYS_SHOWN]
    ]
