"""The current and projected cost of a subscription, by the same computation as the invoice, without writing."""

from dataclasses import dataclass
from datetime import datetime
from decimal import ROUND_HALF_UP, Decimal
from typing import Final

from billing.domain.invoicing.computing import ComputedInvoice
from billing.domain.invoicing.lines import CARRY, RECURRING, USAGE, LineDraft
from billing.domain.proration import FeeRefund
from billing.errors import SubscriptionChangedError, UnbillableError
from billing.models import Invoice, Subscription
from billing.selectors.invoicing.outlook import Outlook
from billing.selectors.invoicing.preview import next_invoice_outlook, preview_end, project_next_invoice
from metering.domain.forecasting import Forecast
from portal.invoice_lines import ShownLine, lines_ahead

_HUNDRED: Final = Decimal(100)


@dataclass(frozen=True, slots=True)
class LineAhead:
    """A line of the next invoice as it is now; of usage with its meter, and what is expected at the period's end."""

    line: LineDraft
    expected: Forecast | None
    expected_minor: int


@dataclass(frozen=True, slots=True)
class MoneyAhead:
    """The next invoice with usage until now, and with usage expected at the end of the period."""

    subscription: Subscription
    outlook: Outlook

    @property
    def now(self) -> ComputedInvoice:
        """Return the invoice as closing the period would make it with usage until now."""
        return self.outlook.now

    @property
    def projected(self) -> ComputedInvoice:
        """Return the invoice with the usage that is expected."""
        return self.outlook.expected

    @property
    def so_far_minor(self) -> int:
        """Return the cost of the period until now in minor units, before tax and without the next period's fee."""
        return sum(line.amount_minor for line in self.now.lines if line.kind not in {RECURRING, CARRY})

    @property
    def usage_minor(self) -> int:
        """Return what the usage costs until now, before tax."""
        return self._sum_of(USAGE)

    @property
    def other_minor(self) -> int:
        """Return corrections, shares of fees and single items, before tax."""
        return self.so_far_minor - self.usage_minor

    @property
    def fee_minor(self) -> int:
        """Return the fee of the next period, before tax."""
        return self._sum_of(RECURRING)

    @property
    def lines(self) -> list[LineAhead]:
        """Return the lines that bear tax, each with what is expected of it."""
        forecasts = iter(self.outlook.usage)
        pairs = zip(self.now.lines, self.projected.lines, strict=False)
        return [
            LineAhead(line, next(forecasts) if line.kind == USAGE else None, later.amount_minor)
            for line, later in pairs
            if line.kind != CARRY
        ]

    @property
    def has_interval(self) -> bool:
        """Return whether the interval of the total is known and has some width."""
        low, high = self.outlook.low, self.outlook.high
        return low is not None and high is not None and low.total_minor != high.total_minor

    def _sum_of(self, kind: str) -> int:
        return sum(line.amount_minor for line in self.now.lines if line.kind == kind)


@dataclass(frozen=True, slots=True)
class LastCompared:
    """The projected invoice beside the last one: by how many percent it is above or below."""

    last: Invoice
    percent: Decimal
    is_above: bool


def compared_with_last(ahead: MoneyAhead) -> LastCompared | None:
    """Compare the projected invoice with the last one of the subscription; None if there is none over an amount."""
    invoices = Invoice.objects.filter(subscription=ahead.subscription, boundary__isnull=False).issued()
    last = invoices.order_by("-boundary").first()
    if last is None or last.total_minor <= 0 or last.currency != ahead.subscription.currency:
        return None
    change = Decimal(ahead.projected.total_minor - last.total_minor) * _HUNDRED / last.total_minor
    return LastCompared(last, abs(change).quantize(Decimal(1), ROUND_HALF_UP), change > 0)


def projected_invoice(subscription: Subscription, as_of: datetime) -> ComputedInvoice | None:
    """Return the next invoice with the usage that is expected; None if staff must check it first."""
    try:
        return project_next_invoice(subscription=subscription, as_of=as_of)
    except UnbillableError:
        return None


def money_ahead(subscription: Subscription, as_of: datetime) -> MoneyAhead | None:
    """Return the current and projected invoice; None if staff must check the invoice first."""
    try:
        return MoneyAhead(subscription, next_invoice_outlook(subscription=subscription, as_of=as_of))
    except UnbillableError:
        return None


@dataclass(frozen=True, slots=True)
class Ending:
    """The last invoice of a subscription if it ended then.

    `invoice` is None for a trial, which ends without one, and with a `problem` if staff must check it first.
    """

    at: datetime
    invoice: ComputedInvoice | None
    lines: list[ShownLine]
    problem: str = ""

    @property
    def refund_words(self) -> str:
        """Return the sentence about the fee that was charged for the days after the end."""
        if self.invoice is None or self.invoice.state.end_refund is FeeRefund.BY_DAY:
            return "The fee for the remaining days is refunded."
        return "The fee for the period was charged in advance and is not refunded."


def ending(subscription: Subscription, at: datetime | None, as_of: datetime) -> Ending:
    """Compute the last invoice for an end at `at`, or with the period if None, as the cancellation would."""
    ends_at = at or subscription.period_end
    try:
        invoice = preview_end(subscription=subscription, at=at, as_of=as_of)
    except (SubscriptionChangedError, UnbillableError) as error:
        return Ending(ends_at, None, [], error.detail)
    return Ending(ends_at, invoice, [] if invoice is None else lines_ahead(invoice))
