"""What the business earns, by month and currency; never summed over currencies.

Each question is one statement, however many rows.

Revenue is without tax, and a month is one of the issuer's time zone, by the day of posting: what is taken back later is
taken back in the month in which that happens. `docs/admin.md` defines each figure.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Final

from django.db.models import Count, Min, Q, Sum

from accounts.notices.domain.mails import MailStatus
from accounts.notices.models import OutboundMail
from accounts.sql import fetch_all
from billing.domain.money import round_to_minor
from billing.domain.statuses import InvoiceStatus
from billing.ledger.domain.accounts import OF_A_MONTH, EntryKind, LedgerAccount
from billing.ledger.domain.months import MonthSum
from billing.ledger.selectors.months import sums_of_months
from billing.models import BillingException, Invoice, Issuer, Subscription
from metering.domain.periods import YearMonth, local_day, month_span

_TAKES_BACK: Final = (EntryKind.VOID, EntryKind.CREDIT_NOTE)

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
    """A month of posting in one currency. `recurring_minor` is its MRR, of `subscriptions` that pay.

    Without tax but for `paid_minor`, which is what came less what was refunded.
    """

    month: YearMonth
    invoiced_minor: int = 0
    credited_minor: int = 0
    earned_minor: int = 0
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
    """Counts of what waits for staff, and when the next boundaries come."""

    exceptions: int
    mails: int
    due_at: datetime | None
    due_now: int


def currencies_sold() -> list[str]:
    """Return every currency with a subscription, the most used first."""
    used = Subscription.objects.order_by().values_list("currency").annotate(number=Count("pk"))
    return [currency for currency, _ in sorted(used, key=lambda row: (-row[1], row[0]))]


def money_by_month(*, currency: str, number: int, as_of: datetime) -> list[MoneyMonth]:
    """Return the last `number` months in one currency, the running one as it is at `as_of`.

    These are sums of the ledger of accounts by month of posting, so a month that is closed never changes.
    """
    zone = Issuer.objects.values_list("time_zone", flat=True).get(pk=1)
    last = YearMonth.of(local_day(as_of, zone))
    months = [last.plus(offset - number + 1) for offset in range(number)]
    posted = sums_of_months(first=months[0].first_day(), end=last.plus(1).first_day())
    instants = [min(month_span(month, zone).end, as_of) for month in months]
    fees = recurring_fees(currency=currency, instants=instants)
    return [
        _money_month(month, posted.get(month.first_day(), ()), currency, fees.get(instant, (0, 0)))
        for month, instant in zip(months, instants, strict=True)
    ]


def _money_month(month: YearMonth, sums: Sequence[MonthSum], currency: str, fees: tuple[int, int]) -> MoneyMonth:
    own = [row for row in sums if row.currency == currency]
    sold = [row for row in own if row.account in OF_A_MONTH]
    recurring_minor, subscriptions = fees
    return MoneyMonth(
        month=month,
        invoiced_minor=-sum(row.amount_minor for row in sold if row.kind == EntryKind.INVOICE),
        credited_minor=sum(row.amount_minor for row in sold if row.kind in _TAKES_BACK),
        earned_minor=-sum(row.amount_minor for row in own if row.account == LedgerAccount.REVENUE),
        paid_minor=sum(row.amount_minor for row in own if row.account == LedgerAccount.CLEARING),
        recurring_minor=recurring_minor,
        subscriptions=subscriptions,
    )


def recurring_fees(*, currency: str, instants: Sequence[datetime]) -> dict[datetime, tuple[int, int]]:
    """Return the monthly fees of live subscriptions just before each instant, and how many pay; trials do not yet."""
    rows = fetch_all(RECURRING_FEES, {"instants": list(instants), "currency": currency})
    return {at: (round_to_minor(Decimal(fees), currency), int(number)) for at, fees, number in rows}


def invoices_by_status(*, currency: str) -> list[StatusSum]:
    """Return how many invoices have each status, and their total with tax, in the order of their lives."""
    rows = (
        Invoice.objects.filter(currency=currency)
        .order_by()
        .values_list("status")
        .annotate(number=Count("pk"), total=Sum("total_minor"))
    )
    found = {status: StatusSum(status, number, int(total)) for status, number, total in rows}
    return [found.get(status.value, StatusSum(status.value, 0, 0)) for status in InvoiceStatus]


def overdue_invoices(*, currency: str, today: date) -> StatusSum:
    """Return the number and sum of finalized invoices whose due day is over."""
    found = Invoice.objects.filter(currency=currency, status=InvoiceStatus.FINALIZED, due_on__lt=today).aggregate(
        number=Count("pk"), total=Sum("total_minor")
    )
    return StatusSum("overdue", found["number"], int(found["total"] or 0))


def waiting(*, as_of: datetime) -> Waiting:
    """Return what waits for staff, and what is due next.

    A last look after an end does not count as an invoice until it has found something.
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
