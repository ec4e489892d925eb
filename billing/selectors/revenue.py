"""What the business earns, by month and currency; never summed over currencies.

Each question is one statement, however many rows.

Revenue is without tax, and a month is one of the issuer's time zone. `docs/admin.md` defines each figure.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Final
from zoneinfo import ZoneInfo

from django.db.models import Count, Min, Q, QuerySet, Sum
from django.db.models.functions import TruncMonth

from accounts.notices.domain.mails import MailStatus
from accounts.notices.models import OutboundMail
from accounts.sql import fetch_all
from billing.domain.money import round_to_minor
from billing.domain.statuses import InvoiceStatus
from billing.models import (
    BillingException,
    CreditNote,
    Invoice,
    Issuer,
    Subscription,
)
from metering.domain.periods import YearMonth, local_day, month_span

# At each instant: whoever pays by then, on the plan of the phase that held just before it.
RECURRING_FEES: Final = """
SELECT m.at, sum((p.terms ->> 'amount')::numeric), count(*) FILTER (WHERE (p.terms ->> 'amount')::numeric > 0)
FROM unnest(%(instants)s::timestamptz[]) AS m(at)
JOIN billing_subscription AS s
    ON s.currency = %(currency)s AND greatest(s.anchor_at, s.started_at) < m.at
        AND (s.ended_at IS NULL OR s.ended_at >= m.at)
CROSS JOIN LATERAL (
    SELECT f.plan_version_id FROM billing_subscriptionphase AS f
    WHERE f.subscription_id = s.id AND f.starts_at < m.at ORDER BY f.starts_at DESC LIMIT 1
) AS phase
JOIN billing_price AS p ON p.plan_version_id = phase.plan_version_id AND p.currency = s.currency
    AND p.kind = 'recurring'
GROUP BY m.at
"""


@dataclass(frozen=True, slots=True)
class MoneyMonth:
    """A month in one currency. `recurring_minor` is its MRR, of `subscriptions` that pay."""

    month: YearMonth
    invoiced_minor: int = 0
    credited_minor: int = 0
    paid_minor: int = 0
    recurring_minor: int = 0
    subscriptions: int = 0


@dataclass(frozen=True, slots=True)
class StatusSum:
    """Invoices of one status in one currency, with tax: what is owed or was."""

    status: str
    number: int
    total_minor: int


@dataclass(frozen=True, slots=True)
class Waiting:
    """What somebody should look at, and when the next boundaries come."""

    exceptions: int
    mails: int
    due_at: datetime | None
    due_now: int


def currencies_sold() -> list[str]:
    """Every currency with a subscription, the most used first."""
    used = Subscription.objects.order_by().values_list("currency").annotate(number=Count("pk"))
    return [currency for currency, _ in sorted(used, key=lambda row: (-row[1], row[0]))]


def money_by_month(*, currency: str, number: int, as_of: datetime) -> list[MoneyMonth]:
    """The last `number` months in one currency, the running one as it is at `as_of`, in four statements."""
    zone = Issuer.objects.values_list("time_zone", flat=True).get(pk=1)
    last = YearMonth.of(local_day(as_of, zone))
    months = [last.plus(offset - number + 1) for offset in range(number)]
    first_day, end_day = months[0].first_day(), last.plus(1).first_day()
    invoices = Invoice.objects.filter(currency=currency)
    issued = invoices.filter(issued_on__gte=first_day, issued_on__lt=end_day).exclude(status=InvoiceStatus.VOID)
    notes = CreditNote.objects.filter(currency=currency, issued_on__gte=first_day, issued_on__lt=end_day)
    # A note on an unpaid invoice made it void: it is not invoiced any more, and so not credited either.
    notes = notes.exclude(invoice__status=InvoiceStatus.VOID)
    paid = invoices.filter(
        status=InvoiceStatus.PAID, paid_at__gte=month_span(months[0], zone).start, paid_at__lte=as_of
    )
    invoiced = _by_month(issued.annotate(of=TruncMonth("issued_on")))
    credited = _by_month(notes.annotate(of=TruncMonth("issued_on")))
    received = _by_month(paid.annotate(of=TruncMonth("paid_at", tzinfo=ZoneInfo(zone))))
    instants = [min(month_span(month, zone).end, as_of) for month in months]
    fees = recurring_fees(currency=currency, instants=instants)
    return [
        MoneyMonth(
            month,
            invoiced.get(month, 0),
            credited.get(month, 0),
            received.get(month, 0),
            *fees.get(instant, (0, 0)),
        )
        for month, instant in zip(months, instants, strict=True)
    ]


def recurring_fees(*, currency: str, instants: Sequence[datetime]) -> dict[datetime, tuple[int, int]]:
    """What live subscriptions pay a month just before each instant, and how many pay something; trials do not yet."""
    rows = fetch_all(RECURRING_FEES, {"instants": list(instants), "currency": currency})
    return {at: (round_to_minor(Decimal(fees), currency), int(number)) for at, fees, number in rows}


def invoices_by_status(*, currency: str) -> list[StatusSum]:
    """How many invoices stand where, and what they come to with tax, in the order of their lives."""
    rows = (
        Invoice.objects.filter(currency=currency)
        .order_by()
        .values_list("status")
        .annotate(number=Count("pk"), total=Sum("total_minor"))
    )
    found = {status: StatusSum(status, number, int(total)) for status, number, total in rows}
    return [found.get(status.value, StatusSum(status.value, 0, 0)) for status in InvoiceStatus]


def overdue_invoices(*, currency: str, today: date) -> StatusSum:
    """Finalized invoices whose due day is over."""
    found = Invoice.objects.filter(currency=currency, status=InvoiceStatus.FINALIZED, due_on__lt=today).aggregate(
        number=Count("pk"), total=Sum("total_minor")
    )
    return StatusSum("overdue", found["number"], int(found["total"] or 0))


def waiting(*, as_of: datetime) -> Waiting:
    """What waits for a person, and what is due next.

    A last look after an end is no invoice before it has found something.
    """
    due = Subscription.objects.filter(due_at__isnull=False).aggregate(
        next=Min("due_at", filter=Q(due_at__gt=as_of, ended_at=None)), now=Count("pk", filter=Q(due_at__lte=as_of))
    )
    return Waiting(
        exceptions=BillingException.objects.filter(resolved_at=None).count(),
        mails=OutboundMail.objects.filter(status__in=[MailStatus.FAILED, MailStatus.UNKNOWN]).count(),
        due_at=due["next"],
        due_now=due["now"],
    )


def _by_month(rows: "QuerySet[Any]") -> dict[YearMonth, int]:
    """Sums without tax by the month in `of`."""
    sums = rows.order_by().values_list("of").annotate(total=Sum("subtotal_minor"))
    return {YearMonth(of.year, of.month): int(total) for of, total in sums}
