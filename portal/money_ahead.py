"""The current and projected cost of a subscription, by the same computation as the invoice, without writing."""

from dataclasses import dataclass
from datetime import datetime

from billing.domain.invoicing.computing import ComputedInvoice
from billing.domain.invoicing.lines import RECURRING
from billing.domain.proration import FeeRefund
from billing.errors import SubscriptionChangedError, UnbillableError
from billing.models import Subscription
from billing.selectors.invoicing.preview import preview_end, preview_next_invoice, project_next_invoice
from portal.invoice_lines import ShownLine, lines_ahead


@dataclass(frozen=True, slots=True)
class MoneyAhead:
    """The next invoice with usage until now, and with usage projected to the end of the period."""

    subscription: Subscription
    now: ComputedInvoice
    projected: ComputedInvoice

    @property
    def so_far_minor(self) -> int:
        """Return the cost of the period until now in minor units, before tax and without the next period's fee."""
        return sum(line.amount_minor for line in self.now.lines if line.kind != RECURRING)


def projected_invoice(subscription: Subscription, as_of: datetime) -> ComputedInvoice | None:
    """Return the next invoice at the rate of usage so far; None if staff must check it first."""
    try:
        return project_next_invoice(subscription=subscription, as_of=as_of)
    except UnbillableError:
        return None


def money_ahead(subscription: Subscription, as_of: datetime) -> MoneyAhead | None:
    """Return the current and projected invoice; None if staff must check the invoice first."""
    try:
        return MoneyAhead(
            subscription,
            preview_next_invoice(subscription=subscription),
            project_next_invoice(subscription=subscription, as_of=as_of),
        )
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
