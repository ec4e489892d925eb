"""The pages that a seller shows in frames of their own product: usage, spend and invoices, to read only."""

from datetime import date, timedelta
from decimal import ROUND_HALF_UP, Decimal
from typing import Any, Final

from accounts.domain.embed_token import Shown
from accounts.domain.plain import plain_decimal, plain_instant
from billing.models import Invoice
from billing.selectors.subscriptions.current import current_subscription
from metering.domain.http_requests import API_REQUESTS
from metering.domain.periods import YearMonth, local_day
from metering.selectors.ledgers import half_of
from metering.selectors.usage import DayUsage, MeterMonth, daily_usage, meter_named, monthly_usage
from portal.embedding import Embed, Figures, embed_page
from portal.money_ahead import LineAhead, MoneyAhead, money_ahead

INVOICES_SHOWN: Final = 24
DAYS_SHOWN: Final = 30
_HUNDRED: Final = Decimal(100)
_BAR: Final = 10  # units of the drawing's width


@embed_page(Shown.USAGE)
def usage(embed: Embed) -> Figures:
    """Return this month's usage of each meter against its quota, and the API requests of 30 days."""
    ledger = half_of(embed.tenant, is_live=True)
    today = local_day(embed.as_of, ledger.time_zone)
    month = monthly_usage(ledger=ledger, month=YearMonth.of(today), as_of=embed.as_of)
    meters = [meter for meter in month.meters if meter.quantity or meter.limit is not None]
    days = daily_usage(
        ledger=ledger,
        meter=meter_named(API_REQUESTS),
        start=today - timedelta(days=DAYS_SHOWN - 1),
        end=today + timedelta(days=1),
        until=embed.as_of,
    )
    data = {
        "period": {"start": plain_instant(month.period.start), "end": plain_instant(month.period.end)},
        "time_zone": ledger.time_zone,
        "meters": [_meter(meter) for meter in meters],
        "days": [{"date": day.date.isoformat(), "quantity": plain_decimal(day.quantity)} for day in days],
    }
    return Figures(data, {"period": month.period, "meters": meters, "days": days, "bars": _bars(days)})


@embed_page(Shown.SPEND)
def spend(embed: Embed) -> Figures:
    """Return the next invoice as it is now, and as it is expected."""
    subscription = current_subscription(embed.tenant.pk)
    ahead = None if subscription is None else money_ahead(subscription, embed.as_of)
    context = {"ahead": ahead, "has_plan": subscription is not None}
    return Figures({"plan": None} if ahead is None else _money(ahead), context)


@embed_page(Shown.INVOICES)
def invoices(embed: Embed) -> Figures:
    """Return the newest invoices."""
    found = list(Invoice.objects.of_tenant(embed.tenant.pk).issued().order_by("-issued_on", "-number")[:INVOICES_SHOWN])
    return Figures({"data": [_invoice(invoice) for invoice in found]}, {"invoices": found})


def _meter(meter: MeterMonth) -> dict[str, Any]:
    return {
        "meter": meter.meter,
        "name": meter.name,
        "unit": meter.unit,
        "quantity": plain_decimal(meter.quantity),
        "limit": None if meter.limit is None else plain_decimal(meter.limit),
        "percent": None if meter.percent is None else plain_decimal(meter.percent),
        "forecast": plain_decimal(meter.forecast.quantity),
    }


def _bars(days: list[DayUsage]) -> list[tuple[int, int, int, date, Decimal]]:
    """Return each day as a bar of 100 at most: its place, its top and its height, with the day and its quantity."""
    most = max((day.quantity for day in days), default=Decimal(0))
    heights = [int((day.quantity * _HUNDRED / most).quantize(Decimal(1), ROUND_HALF_UP)) if most else 0 for day in days]
    return [
        (place * _BAR, 100 - height, height, day.date, day.quantity)
        for place, (day, height) in enumerate(zip(days, heights, strict=True))
    ]


def _money(ahead: MoneyAhead) -> dict[str, Any]:
    due_at = ahead.subscription.due_at
    return {
        "plan": ahead.subscription.plan_version.plan.code,
        "currency": ahead.subscription.currency,
        "period": {
            "start": plain_instant(ahead.subscription.period_start),
            "end": plain_instant(ahead.subscription.period_end),
        },
        "invoice_at": None if due_at is None else plain_instant(due_at),
        "lines": [_line(one) for one in ahead.lines],
        "tax_minor": ahead.now.tax_minor,
        "credit_minor": ahead.now.carried_minor,
        "total_minor": ahead.now.total_minor,
        "expected_total_minor": ahead.projected.total_minor,
    }


def _line(one: LineAhead) -> dict[str, Any]:
    return {
        "description": one.line.description,
        "quantity": plain_decimal(one.line.quantity),
        "unit": one.line.unit,
        "amount_minor": one.line.amount_minor,
        "expected_amount_minor": one.expected_minor,
    }


def _invoice(invoice: Invoice) -> dict[str, Any]:
    return {
        "number": invoice.number,
        "status": invoice.status,
        "currency": invoice.currency,
        "issued_on": None if invoice.issued_on is None else invoice.issued_on.isoformat(),
        "due_on": None if invoice.due_on is None else invoice.due_on.isoformat(),
        "total_minor": invoice.total_minor,
        "amount_due_minor": invoice.amount_due_minor,
    }
