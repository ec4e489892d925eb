"""What an invoice says, computed from a subscription's state, its usage and what was invoiced before.

Pure; `docs/algorithms/invoicing.md`.

At boundary *k* of a subscription its invoice has the usage of period *k* - 1 (one line for each phase and meter), the
shares of fees where the plan changed meanwhile, corrections of usage that was invoiced before, and the fee of period
*k* in advance. After its end comes a last look, once nothing can come late any more: it has corrections alone.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from itertools import pairwise
from typing import Final

from accounts.domain.plain import plain_decimal
from billing.domain.invoicing.lines import (
    ADJUSTMENT,
    CARRY,
    PRORATION,
    RECURRING,
    USAGE,
    InvoicedUsage,
    LineDraft,
    Used,
    digest_of_lines,
)
from billing.domain.invoicing.state import BillingState
from billing.domain.money import AMOUNT_MINOR_MAX, EXACT
from billing.domain.plan_terms import SoldPrice, SoldVersion, fee_amount
from billing.domain.prices import PriceKind
from billing.domain.proration import Share, remaining_share
from billing.domain.rating import rate
from billing.domain.tax import TaxDecision
from billing.errors import UnbillableError
from metering.domain.periods import Span, anchored_span, local_day

_ONE: Final = Decimal(1)
# As much as a line holds, and far more than anybody uses.
QUANTITY_BELOW: Final = Decimal(10) ** 29


@dataclass(frozen=True, slots=True)
class ComputedInvoice:
    """An invoice as it would be now. `tax` is what holds for the tenant at this moment."""

    state: BillingState
    lines: tuple[LineDraft, ...]
    tax: TaxDecision
    subtotal_minor: int
    tax_minor: int
    lines_digest: str = field(default="")

    @property
    def total_minor(self) -> int:
        """What is to be paid."""
        return self.subtotal_minor + self.tax_minor

    @property
    def carried_minor(self) -> int:
        """Return how much the invoice changes the customer's credit: what it leaves over, less what it uses."""
        return sum(line.amount_minor for line in self.lines if line.kind == CARRY)

    @property
    def credit_left_minor(self) -> int:
        """What is left in the customer's favour, for the next invoice or, where none follows, to be paid back."""
        return sum(line.amount_minor for line in self.lines if line.kind == CARRY and line.amount_minor > 0)


def compute_invoice(
    state: BillingState,
    *,
    usage: Sequence[Used],
    invoiced: Sequence[InvoicedUsage],
    credit_minor: int,
    tax: TaxDecision,
) -> ComputedInvoice:
    """Compute the invoice at the state's boundary.

    `usage` answers `state.usage_wanted()` in its order; `credit_minor` is what the invoice before left in the
    customer's favour. Raises `UnbillableError` where a person has to look.
    """
    lines = [
        *_usage_lines(state, usage),
        *_proration_lines(state),
        *_adjustment_lines(state, invoiced),
        *_fee_lines(state),
    ]
    if credit_minor:
        lines.append(_carry(state, "Credit from the invoice before", -credit_minor))
    subtotal = sum(line.amount_minor for line in lines)
    if subtotal < 0:
        goes_on = state.following is not None
        what = "Credit that goes to the next invoice" if goes_on else "Credit that is left, with no invoice to follow"
        lines.append(_carry(state, what, -subtotal))
        subtotal = 0
    if any(abs(line.amount_minor) > AMOUNT_MINOR_MAX for line in lines) or subtotal > AMOUNT_MINOR_MAX:
        raise UnbillableError("absurd_amount", f"The invoice would come to {subtotal} minor units of {state.currency}.")
    return ComputedInvoice(
        state=state,
        lines=tuple(lines),
        tax=tax,
        subtotal_minor=subtotal,
        tax_minor=tax.amount_minor(subtotal, state.currency),
        lines_digest=digest_of_lines(lines),
    )


def _usage_lines(state: BillingState, usage: Sequence[Used]) -> list[LineDraft]:
    lines = []
    for (version, price, span), used in zip(state.usage_wanted(), usage, strict=True):
        if used.quantity < 0:
            raise UnbillableError(
                "negative_usage", f"{price.meter_code} comes to {plain_decimal(used.quantity)} in this period."
            )
        if used.quantity >= QUANTITY_BELOW:
            raise UnbillableError(
                "absurd_quantity", f"{price.meter_code} comes to {plain_decimal(used.quantity)} in this period."
            )
        charge = rate(price.terms, used.quantity, state.currency)
        lines.append(
            LineDraft(
                kind=USAGE,
                description=f"{version.plan_name}: {price.meter_name}",
                period=span,
                quantity=used.quantity,
                amount_minor=charge.amount_minor,
                explanation=charge.explanation(),
                plan_version_id=version.id,
                price_id=price.id,
                meter_id=price.meter_id,
                unit=price.unit,
                events=used.events,
            )
        )
    return lines


def _proration_lines(state: BillingState) -> list[LineDraft]:
    """For each change within the closed period: the rest of the old fee back, the rest of the new one charged."""
    closed = state.closed
    if closed is None:
        return []
    whole = anchored_span(state.anchor_at, state.boundary - 1, state.time_zone)
    lines = []
    for (before, _), (after, span) in pairwise(state.segments()):
        share = remaining_share(
            period_starts_on=local_day(whole.start, state.time_zone),
            period_ends_on=local_day(whole.end, state.time_zone),
            changed_on=local_day(span.start, state.time_zone),
        )
        rest = Span(span.start, whole.end)
        lines.append(_prorated(state, before, share, rest, sign=-1))
        lines.append(_prorated(state, after, share, rest, sign=1))
    if lines and state.is_fee_forgiven:
        # Nobody owes the fee that the period began with: there is nothing of it to give back.
        lines[0] = replace(lines[0], amount_minor=0, explanation={**lines[0].explanation, "is_forgiven": True})
    return lines


def _prorated(state: BillingState, version: SoldVersion, share: Share, rest: Span, *, sign: int) -> LineDraft:
    price = _fee(state, version)
    fee = fee_amount(price)
    what = "Unused time on" if sign < 0 else "Remaining time on"
    return LineDraft(
        kind=PRORATION,
        description=f"{what} {version.plan_name} ({share.days} of {share.days_in_period} days)",
        period=rest,
        quantity=_ONE,
        amount_minor=sign * share.of(fee, state.currency),
        explanation=share.explanation(fee, state.currency),
        plan_version_id=version.id,
        price_id=price.id,
    )


def _adjustment_lines(state: BillingState, invoiced: Sequence[InvoicedUsage]) -> list[LineDraft]:
    """Compute what the ledger says now of usage that was invoiced before, less what was invoiced.

    It is rated at the price that it was invoiced at.
    """
    lines = []
    for known in invoiced:
        if known.now == known.invoiced:
            continue
        if known.now.quantity < 0:
            raise UnbillableError(
                "negative_usage",
                f"{known.price.meter_code} comes to {plain_decimal(known.now.quantity)} in {known.number}.",
            )
        if known.now.quantity >= QUANTITY_BELOW:
            raise UnbillableError(
                "absurd_quantity",
                f"{known.price.meter_code} comes to {plain_decimal(known.now.quantity)} in {known.number}.",
            )
        charge = rate(known.price.terms, known.now.quantity, state.currency)
        # No more is given back than was charged.
        charged_minor = max(known.amount_minor - known.forgiven_minor, 0)
        forgiven: dict[str, object] = {"forgiven_minor": known.forgiven_minor} if known.forgiven_minor else {}
        lines.append(
            LineDraft(
                kind=ADJUSTMENT,
                description=f"Correction of {known.number}: {known.price.meter_name}",
                period=known.span,
                quantity=EXACT.subtract(known.now.quantity, known.invoiced.quantity),
                amount_minor=max(charge.amount_minor - known.amount_minor, -charged_minor),
                explanation={
                    "model": "adjustment",
                    "invoice": known.number,
                    "invoiced": {
                        "quantity": plain_decimal(known.invoiced.quantity),
                        "amount_minor": known.amount_minor,
                        **forgiven,
                    },
                    "now": charge.explanation() | {"amount_minor": charge.amount_minor},
                },
                plan_version_id=known.plan_version_id,
                price_id=known.price.id,
                meter_id=known.price.meter_id,
                adjusts_id=known.line_id,
                unit=known.price.unit,
                events=known.now.events - known.invoiced.events,
            )
        )
    return lines


def _fee_lines(state: BillingState) -> list[LineDraft]:
    opened = state.opened
    if opened is None:
        return []
    version = state.version_at(state.closes_at)
    price = _fee(state, version)
    charge = rate(price.terms, _ONE, state.currency)
    return [
        LineDraft(
            kind=RECURRING,
            description=f"{version.plan_name}: monthly fee",
            period=opened,
            quantity=_ONE,
            amount_minor=charge.amount_minor,
            explanation=charge.explanation(),
            plan_version_id=version.id,
            price_id=price.id,
        )
    ]


def _carry(state: BillingState, description: str, amount_minor: int) -> LineDraft:
    return LineDraft(
        kind=CARRY,
        description=description,
        period=state.covered,
        quantity=_ONE,
        amount_minor=amount_minor,
        explanation={"model": "carry"},
    )


def _fee(state: BillingState, version: SoldVersion) -> SoldPrice:
    price = version.fee(state.currency)
    if price is None or price.kind is not PriceKind.RECURRING:
        raise UnbillableError(
            "currency_not_offered", f"{version.plan_name} v{version.number} has no prices in {state.currency}."
        )
    return price
