"""What an invoice says, computed from a subscription's state, its usage and what was invoiced before. Pure; `docs/algorithms/invoicing.md`.

At boundary *k* of a subscription its invoice has the usage of period *k* - 1 (one line for each phase and meter), the shares of
fees where the plan changed meanwhile, corrections of usage that was invoiced before, and the fee of period *k* in advance.
After its end comes a last look, once nothing can come late any more: it has corrections alone.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import Final
from uuid import UUID

from accounts.domain.plain import plain_decimal, plain_instant
from billing.domain.money import AMOUNT_MINOR_MAX, EXACT
from billing.domain.plan_terms import SoldPrice, SoldVersion, fee_amount
from billing.domain.prices import PriceKind
from billing.domain.proration import Share, remaining_share
from billing.domain.rating import rate
from billing.domain.tax import TaxDecision
from billing.errors import UnbillableError
from metering.domain.periods import Span, anchored_span, local_day

USAGE: Final = "usage"
RECURRING: Final = "recurring"
PRORATION: Final = "proration"
ADJUSTMENT: Final = "adjustment"
CARRY: Final = "carry"
LAST_LOOK_MARGIN: Final = timedelta(days=1)
_ONE: Final = Decimal(1)
_QUANTITY_STEP: Final = Decimal("1E-9")
# As much as a line holds, and far more than anybody uses.
QUANTITY_BELOW: Final = Decimal(10) ** 29


@dataclass(frozen=True, slots=True)
class Phase:
    """From `starts_at` on the subscription is on `version`."""

    starts_at: datetime
    version: SoldVersion


@dataclass(frozen=True, slots=True)
class BillingState:
    """A subscription as its invoice at `boundary` needs it; `closes_at` is the boundary's instant, or when the subscription ended.

    `ended_at` is when it ended, if it has; a boundary after that is a last look. `is_fee_forgiven` says that the invoice with the
    fee of the closed period is void or was credited.
    """

    subscription_id: UUID | None
    tenant_id: UUID
    currency: str
    time_zone: str
    anchor_at: datetime
    boundary: int
    closes_at: datetime
    is_ending: bool
    phases: tuple[Phase, ...]
    backfill_days: int
    ended_at: datetime | None = None
    is_fee_forgiven: bool = False

    @property
    def closed(self) -> Span | None:
        """The period of which usage is invoiced; none before the first, and none after the end."""
        if not self.boundary or self._since_end is not None:
            return None
        return Span(anchored_span(self.anchor_at, self.boundary - 1, self.time_zone).start, self.closes_at)

    @property
    def opened(self) -> Span | None:
        """The period whose fee is invoiced in advance; none after the last."""
        return None if self.is_ending else anchored_span(self.anchor_at, self.boundary, self.time_zone)

    @property
    def covered(self) -> Span:
        """What the invoice is about, for its reader: the period that was closed, or the first one, or the time since the end."""
        return self.closed or self._since_end or self.opened or Span(self.closes_at, self.closes_at)

    @property
    def looks_again_at(self) -> datetime | None:
        """When nothing can come late any more, so that corrections are looked for a last time; only after the final period.

        Where the tenant's window was widened meanwhile, that look is followed by another.
        """
        if self.opened is not None or not self.boundary:
            return None
        looks_at = (self.ended_at or self.closes_at) + timedelta(days=self.backfill_days) + LAST_LOOK_MARGIN
        return looks_at if looks_at > self.closes_at else None

    @property
    def following(self) -> "BillingState | None":
        """The state at the boundary after this one, if nothing happens in between; none after the last."""
        opened, looks_at = self.opened, self.looks_again_at
        if opened is not None:
            return replace(self, boundary=self.boundary + 1, closes_at=opened.end, is_fee_forgiven=False)
        if looks_at is not None:
            end = self.ended_at or self.closes_at
            return replace(self, boundary=self.boundary + 1, closes_at=looks_at, ended_at=end, is_fee_forgiven=False)
        return None

    @property
    def _since_end(self) -> Span | None:
        """The time since the subscription ended; none while it has a period to be invoiced."""
        if self.ended_at is None or self.closes_at <= self.ended_at:
            return None
        return Span(self.ended_at, self.closes_at)

    def version_at(self, instant: datetime) -> SoldVersion:
        """The version that holds then; before the first phase, which may begin within the anchor's day, the first."""
        begun = [phase for phase in self.phases if phase.starts_at <= instant]
        return (begun[-1] if begun else self.phases[0]).version

    def segments(self) -> list[tuple[SoldVersion, Span]]:
        """The closed period, cut where the plan changed. Nothing before the first phase is billed."""
        closed = self.closed
        if closed is None:
            return []
        start = max(closed.start, self.phases[0].starts_at)
        if start >= closed.end:
            return []
        changes = [phase.starts_at for phase in self.phases if start < phase.starts_at < closed.end]
        borders = [start, *changes, closed.end]
        return [(self.version_at(start), Span(start, end)) for start, end in pairwise(borders)]

    def usage_wanted(self) -> list[tuple[SoldVersion, SoldPrice, Span]]:
        """What has to be known of usage: one entry for each line to come."""
        return [
            (version, price, span) for version, span in self.segments() for price in version.usage_prices(self.currency)
        ]


@dataclass(frozen=True, slots=True)
class Used:
    """A quantity in its meter's unit, and of how many events it is the sum."""

    quantity: Decimal
    events: int

    @classmethod
    def of(cls, quantity: Decimal, events: int) -> "Used":
        """What is invoiced of a sum: meters add up to 30 places exactly, an invoice has 9 of them, rounded half-up once."""
        return cls(quantity.quantize(_QUANTITY_STEP, context=EXACT), events)

    def plus(self, quantity: Decimal, events: int) -> "Used":
        """Both together, exactly."""
        return Used(EXACT.add(self.quantity, quantity), self.events + events)


@dataclass(frozen=True, slots=True)
class InvoicedUsage:
    """A usage line of a finalized invoice with all its corrections so far, and what the ledger says of its span now.

    `forgiven_minor` is the part of the amount that stands on invoices which are void or were credited: nobody has paid that.
    """

    line_id: int
    number: str
    plan_version_id: int
    price: SoldPrice
    span: Span
    invoiced: Used
    amount_minor: int
    now: Used
    forgiven_minor: int = 0


@dataclass(frozen=True, slots=True)
class LineDraft:
    """A line before it is stored."""

    kind: str
    description: str
    period: Span
    quantity: Decimal
    amount_minor: int
    explanation: Mapping[str, object]
    plan_version_id: int | None = None
    price_id: int | None = None
    meter_id: int | None = None
    adjusts_id: int | None = None
    unit: str = ""
    events: int | None = None

    def canonical(self) -> list[object]:
        """The line as its digest is taken of it."""
        return [
            self.kind,
            self.description,
            plain_instant(self.period.start),
            plain_instant(self.period.end),
            plain_decimal(self.quantity),
            self.unit,
            self.amount_minor,
            self.events,
            self.plan_version_id,
            self.price_id,
            self.meter_id,
            self.adjusts_id,
            self.explanation,
        ]


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
        """By how much the invoice changes what stands in the customer's favour: what it leaves over, less what it uses."""
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

    `usage` answers `state.usage_wanted()` in its order; `credit_minor` is what the invoice before left in the customer's favour.
    Raises `UnbillableError` where a person has to look.
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


def digest_of_lines(lines: Sequence[LineDraft]) -> str:
    """The SHA-256 of lines in their order, as 64 hexadecimal digits."""
    text = json.dumps([line.canonical() for line in lines], sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()


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
    """What the ledger says now of usage that was invoiced before, at the price it was invoiced at, less what was invoiced."""
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
