"""Computes an invoice from a subscription's state, its usage and what was invoiced before.

Pure; `docs/algorithms/invoicing.md`.

At boundary *k* of a subscription its invoice has the usage of period *k* - 1 (one line for each phase and meter), the
shares of fees if the plan changed meanwhile, corrections of usage that was invoiced before, the fee of period
*k* in advance, and the single items of staff that wait for it. After the subscription's end, once no event can come
late any more, a last look has corrections and single items only.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import cached_property
from itertools import pairwise
from typing import Any, Final

from accounts.domain.plain import plain_decimal
from billing.domain.invoicing.items import open_line_of
from billing.domain.invoicing.lines import (
    ADJUSTMENT,
    CARRY,
    CREDIT_BEFORE,
    PRORATION,
    RECURRING,
    USAGE,
    InvoicedUsage,
    LineDraft,
    Used,
    digest_of_lines,
)
from billing.domain.invoicing.state import BillingState, InvoicedFee
from billing.domain.invoicing.stretches import charges_now, charges_of_usage
from billing.domain.invoicing.taxes import TaxRow, tax_rows
from billing.domain.money import AMOUNT_MINOR_MAX, EXACT
from billing.domain.plan_terms import SoldPrice, SoldVersion, fee_amount
from billing.domain.prices import PriceKind
from billing.domain.proration import FeeRefund, ShareOfPeriod, remaining_share
from billing.domain.rating import rate
from billing.domain.tax import TaxTable
from billing.errors import UnbillableError
from metering.domain.periods import Span, last_local_day, local_day

_ONE: Final = Decimal(1)
DESCRIPTION_CHARACTERS_MAX: Final = 300


@dataclass(frozen=True)  # without slots, since its sums are computed once
class ComputedInvoice:
    """An invoice as it would be now. Subtotal and tax are negative if more is given back than charged."""

    state: BillingState
    lines: tuple[LineDraft, ...]
    taxes: tuple[TaxRow, ...]

    @cached_property
    def lines_digest(self) -> str:
        """Return the digest of the lines."""
        return digest_of_lines(self.lines)

    @cached_property
    def subtotal_minor(self) -> int:
        """Return the sum of the lines that bear tax."""
        return sum(line.amount_minor for line in self.lines if line.kind != CARRY)

    @cached_property
    def tax_minor(self) -> int:
        """Return the sum of the taxes."""
        return sum(row.tax_minor for row in self.taxes)

    @cached_property
    def total_minor(self) -> int:
        """Return what the customer has to pay."""
        return self.subtotal_minor + self.tax_minor + self.carried_minor

    @cached_property
    def carried_minor(self) -> int:
        """Return how much the invoice changes the customer's credit: what it leaves over, less what it uses."""
        return sum(line.amount_minor for line in self.lines if line.kind == CARRY)

    @property
    def credit_left_minor(self) -> int:
        """Return what is left in the customer's favour, for the next invoice or, if none follows, to be paid back."""
        return sum(line.amount_minor for line in self.lines if line.kind == CARRY and line.amount_minor > 0)


def compute_invoice(
    state: BillingState,
    *,
    usage: Sequence[Used],
    invoiced: Sequence[InvoicedUsage],
    credit_minor: int,
    taxes: TaxTable,
) -> ComputedInvoice:
    """Compute the invoice at the state's boundary.

    `usage` has one entry for each of `state.usage_wanted()`, in its order. `credit_minor` is what the previous invoice
    left in the customer's favour, tax included. `taxes` says which tax holds for the tenant on which day. Raises
    `UnbillableError` if staff have to look at the invoice.
    """
    return settled(state, charged_lines(state, usage=usage, invoiced=invoiced, taxes=taxes), credit_minor=credit_minor)


def charged_lines(
    state: BillingState, *, usage: Sequence[Used], invoiced: Sequence[InvoicedUsage], taxes: TaxTable
) -> list[LineDraft]:
    """Compute the lines that bear tax. Raises `UnbillableError`."""
    return [
        *_usage_lines(state, usage, taxes),
        *_proration_lines(state, taxes),
        *_reopened_lines(state),
        *_adjustment_lines(state, invoiced),
        *_fee_lines(state, taxes),
        *(open_line_of(one, currency=state.currency, time_zone=state.time_zone, taxes=taxes) for one in state.items),
    ]


def settled(state: BillingState, charged: Sequence[LineDraft], *, credit_minor: int) -> ComputedInvoice:
    """Compute the invoice of lines, their taxes, and the credit that is taken off after tax.

    If that is below 0, a last line brings it to 0. Raises `UnbillableError`.
    """
    lines = list(charged)
    taxes = tax_rows(lines, state.currency)
    if credit_minor:
        lines.append(_carry(state, CREDIT_BEFORE, -credit_minor))
    total_minor = sum(line.amount_minor for line in lines) + sum(row.tax_minor for row in taxes)
    if total_minor < 0:
        goes_on = state.following is not None
        what = "Credit that goes to the next invoice" if goes_on else "Credit that is left, with no invoice to follow"
        lines.append(_carry(state, what, -total_minor))
    if any(abs(minor) > AMOUNT_MINOR_MAX for minor in (total_minor, *(line.amount_minor for line in lines))):
        raise UnbillableError(
            "absurd_amount", f"The invoice would come to {total_minor} minor units of {state.currency}."
        )
    return ComputedInvoice(state, tuple(lines), taxes)


def _usage_lines(state: BillingState, usage: Sequence[Used], taxes: TaxTable) -> list[LineDraft]:
    lines = []
    for version, price, span, used, charge in charges_of_usage(state, usage):
        supplied_on = last_local_day(span, state.time_zone)
        lines.append(
            LineDraft(
                kind=USAGE,
                description=f"{version.plan_name}: {price.meter_name}",
                period=span,
                quantity=used.quantity,
                amount_minor=charge.amount_minor,
                explanation=charge.explanation() | _versions_in(price, span),
                plan_version_id=version.id,
                price_id=price.id,
                meter_id=price.meter_id,
                unit=price.unit,
                events=used.events,
                tax=taxes.on(supplied_on),
                supplied_on=supplied_on,
            )
        )
    return lines


def _versions_in(price: SoldPrice, span: Span) -> dict[str, object]:
    """Return the versions of the meter that counted, of a meter that was changed before the end of the span."""
    versions = price.meter_versions(span)
    return {} if versions == [1] else {"meter_versions": versions}


def _proration_lines(state: BillingState, taxes: TaxTable) -> list[LineDraft]:
    """Return two lines for each change within the closed period: the old fee back and the new one charged.

    If the subscription ended before the period did, the days after are given back, if that is the seller's policy.
    """
    closed, paid, unused = state.closed, state.paid, state.unused
    if closed is None or paid is None or not state.has_proration:
        return []
    lines = []
    of_fee = _of_fee(state, paid, taxes)
    # What is given back bears the tax of what it was charged with: the fee in advance, then each rest in turn.
    corrected = of_fee
    for (before, _), (after, span) in pairwise(state.segments()):
        rest = Span(span.start, closed.end)
        share = _share(state, paid, rest)
        changed_on = local_day(span.start, state.time_zone)
        if share.days:
            lines.append(replace(_prorated(state, before, share, rest, sign=-1), **corrected))
            charged = _prorated(state, after, share, rest, sign=1)
            lines.append(replace(charged, tax=taxes.on(changed_on), supplied_on=changed_on))
        corrected = {"tax": taxes.on(changed_on), "supplied_on": changed_on}
    is_kept = state.fee_refund is FeeRefund.NONE
    lines = _without_refund(lines) if is_kept else lines
    lines[:1] = [_given_back(line, state) for line in lines[:1]]
    if unused is not None and not is_kept:
        back = _prorated(state, state.version_at(paid.start), _share(state, paid, unused), unused, sign=-1)
        if back.amount_minor:
            lines.append(_given_back(replace(back, **of_fee), state))
    return lines


def _of_fee(state: BillingState, paid: Span, taxes: TaxTable) -> dict[str, Any]:
    """Return what a line has of the fee that it corrects: the line, its tax and its day of supply."""
    supplied_on = local_day(paid.start, state.time_zone)
    fee = state.fee or InvoicedFee(None, None)
    return {"adjusts_id": fee.line_id, "tax": fee.tax or taxes.on(supplied_on), "supplied_on": supplied_on}


def _share(state: BillingState, paid: Span, part: Span) -> ShareOfPeriod:
    """Return the days of a part of the paid period, with the days of the whole."""
    starts_on, ends_on, changed_on, ended_on = (
        local_day(instant, state.time_zone) for instant in (paid.start, paid.end, part.start, part.end)
    )
    return remaining_share(period_starts_on=starts_on, period_ends_on=ends_on, changed_on=changed_on, ended_on=ended_on)


def _given_back(line: LineDraft, state: BillingState) -> LineDraft:
    """Return a line that gives back some of the fee; nothing if the fee is no longer owed, or is unpaid.

    What is withheld of an unpaid fee is given back if the fee is paid after all.
    """
    fee = state.fee
    if fee is None or not (fee.is_forgiven or fee.is_unpaid):
        return line
    withheld = {"withheld_minor": -line.amount_minor} if fee.is_unpaid else {}
    return replace(line, amount_minor=0, explanation={**line.explanation, "is_forgiven": True, **withheld})


def _reopened_lines(state: BillingState) -> list[LineDraft]:
    """Return lines that bring back what documents no longer in force gave back of fees, each with its tax."""
    return [
        LineDraft(
            kind=PRORATION,
            description=f"{one.description}, from {one.number}"[:DESCRIPTION_CHARACTERS_MAX],
            period=one.period,
            quantity=_ONE,
            amount_minor=one.amount_minor,
            explanation={"model": "reopened", "invoice": one.number},
            plan_version_id=one.plan_version_id,
            price_id=one.price_id,
            adjusts_id=one.line_id,
            tax=one.tax,
            supplied_on=one.supplied_on,
        )
        for one in state.reopened
    ]


def _without_refund(lines: list[LineDraft]) -> list[LineDraft]:
    """Return the lines, together not below 0: the share of the fee in advance is kept first, then the last line's.

    So what is left of that share is all that depends on the fee: it comes, or is taken back, with the fee.
    """
    short_minor = -sum(line.amount_minor for line in lines)
    kept_lines = list(lines)
    for position in (0, *range(len(lines) - 1, 0, -1)) if lines else ():
        line = lines[position]
        kept_minor = min(-line.amount_minor, short_minor)
        if kept_minor > 0:
            short_minor -= kept_minor
            explanation = {**line.explanation, "kept_minor": kept_minor}
            kept_lines[position] = replace(line, amount_minor=line.amount_minor + kept_minor, explanation=explanation)
    return kept_lines


def _prorated(state: BillingState, version: SoldVersion, share: ShareOfPeriod, rest: Span, *, sign: int) -> LineDraft:
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

    It is rated at the price that it was invoiced at, and bears the tax that it was invoiced with.
    """
    lines = []
    for known, charge in charges_now(invoiced, state.currency):
        amount_minor = known.difference_minor(charge.amount_minor)
        if known.now == known.invoiced and not amount_minor:
            continue
        not_paid = {
            "forgiven_minor": known.forgiven_minor,
            "unpaid_minor": known.unpaid_minor,
            "credited_minor": known.credited_minor,
        }
        lines.append(
            LineDraft(
                kind=ADJUSTMENT,
                description=f"Correction of {known.number}: {known.price.meter_name}",
                period=known.span,
                quantity=EXACT.subtract(known.now.quantity, known.invoiced.quantity),
                amount_minor=amount_minor,
                explanation={
                    "model": "adjustment",
                    "invoice": known.number,
                    "invoiced": {
                        "quantity": plain_decimal(known.invoiced.quantity),
                        "amount_minor": known.amount_minor,
                        **{name: minor for name, minor in not_paid.items() if minor},
                    },
                    "now": charge.explanation() | {"amount_minor": charge.amount_minor},
                },
                plan_version_id=known.plan_version_id,
                price_id=known.price.id,
                meter_id=known.price.meter_id,
                adjusts_id=known.line_id,
                unit=known.price.unit,
                events=known.now.events - known.invoiced.events,
                tax=known.tax,
                supplied_on=last_local_day(known.span, state.time_zone),
            )
        )
    return lines


def _fee_lines(state: BillingState, taxes: TaxTable) -> list[LineDraft]:
    opened = state.opened
    if opened is None:
        return []
    version = state.version_at(state.closes_at)
    price = _fee(state, version)
    charge = rate(price.terms, _ONE, state.currency)
    supplied_on = local_day(opened.start, state.time_zone)
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
            tax=taxes.on(supplied_on),
            supplied_on=supplied_on,
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
        supplied_on=last_local_day(state.covered, state.time_zone),
    )


def _fee(state: BillingState, version: SoldVersion) -> SoldPrice:
    price = version.fee(state.currency)
    if price is None or price.kind is not PriceKind.RECURRING:
        raise UnbillableError(
            "currency_not_offered", f"{version.plan_name} v{version.number} has no prices in {state.currency}."
        )
    return price
