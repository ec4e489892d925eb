"""Lines of an invoice, stored or only computed, with their explanation unfolded: the steps of a price, shares of days, corrections."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

from billing.domain.invoicing.computing import ComputedInvoice
from billing.domain.invoicing.lines import ADJUSTMENT, PRORATION, USAGE
from billing.domain.prices import PriceModel, write_terms
from billing.models import InvoiceLine
from portal.templatetags.money import money, rate
from portal.templatetags.portal import quantity

_TIMES: Final = "\N{MULTIPLICATION SIGN}"
COUNTED: Final = frozenset({USAGE, ADJUSTMENT})


@dataclass(frozen=True, slots=True)
class ShownStep:
    """A part of a line's amount: which quantities it is about, how it was computed, and what it comes to."""

    reach: str
    reckoning: str
    amount: str


@dataclass(frozen=True, slots=True)
class ShownLine:
    """A line with what led to it: what was known before, steps, notes. `quantity` is None where nothing was counted.

    `corrects` is an invoice's number.
    """

    position: int
    kind: str
    description: str
    start: datetime
    end: datetime
    quantity: Decimal | None
    unit: str
    amount_minor: int
    events: int | None
    corrects: str
    before: tuple[str, ...]
    steps: tuple[ShownStep, ...]
    notes: tuple[str, ...]


def lines_of(stored: Iterable[InvoiceLine], currency: str) -> list[ShownLine]:
    """Lines of an invoice as they are stored, each with its price."""
    return [
        _shown(
            position=line.position,
            kind=line.kind,
            description=line.description,
            span=(line.period_start, line.period_end),
            quantity=line.quantity,
            unit=line.unit,
            amount_minor=line.amount_minor,
            events=line.events,
            explanation=line.explanation,
            terms={} if line.price is None else line.price.terms,
            currency=currency,
        )
        for line in stored
    ]


def lines_ahead(computed: ComputedInvoice) -> list[ShownLine]:
    """Lines of an invoice that is not made yet."""
    prices = [price for phase in computed.state.phases for price in phase.version.prices]
    terms: dict[int | None, dict[str, object]] = {price.id: write_terms(price.terms) for price in prices}
    return [
        _shown(
            position=position,
            kind=line.kind,
            description=line.description,
            span=line.period,
            quantity=line.quantity,
            unit=line.unit,
            amount_minor=line.amount_minor,
            events=line.events,
            explanation=line.explanation,
            terms=terms.get(line.price_id, {}),
            currency=computed.state.currency,
        )
        for position, line in enumerate(computed.lines, start=1)
    ]


def _shown(
    *,
    position: int,
    kind: str,
    description: str,
    span: tuple[datetime, datetime],
    quantity: Decimal,
    unit: str,
    amount_minor: int,
    events: int | None,
    explanation: Mapping[str, Any],
    terms: Mapping[str, Any],
    currency: str,
) -> ShownLine:
    sold = _Sold(unit, currency, terms)
    is_correction = explanation.get("model") == ADJUSTMENT
    steps, notes = _explained(explanation["now"] if is_correction else explanation, sold)
    return ShownLine(
        position=position,
        kind=kind,
        description=description,
        start=span[0],
        end=span[1],
        quantity=quantity if kind in COUNTED else None,
        unit=unit,
        amount_minor=amount_minor,
        events=events,
        corrects=str(explanation["invoice"]) if is_correction else "",
        before=tuple(_counts(explanation, sold)) if is_correction else (),
        steps=tuple(steps),
        notes=tuple(notes),
    )


@dataclass(frozen=True, slots=True)
class _Sold:
    """In which unit and currency a line is, and the terms of its price."""

    unit: str
    currency: str
    terms: Mapping[str, Any]

    def amount(self, amount: str) -> str:
        return rate(amount, self.currency)


def _explained(explanation: Mapping[str, Any], sold: _Sold) -> tuple[list[ShownStep], list[str]]:
    model = explanation.get("model")
    if model == PRORATION:
        days = f"{explanation['days']} of {explanation['days_in_period']} days"
        return [], [f"{sold.amount(explanation['fee'])} for the whole period, for {days}"]
    if "steps" not in explanation:
        return [], []
    steps = [_step(step, str(model), sold) for step in explanation["steps"]]
    if len(steps) == 1 and not steps[0].reckoning:
        return [], []
    return steps, _rounding(explanation, sold)


def _counts(explanation: Mapping[str, Any], sold: _Sold) -> list[str]:
    """What was invoiced, and what the ledger says now."""
    return [
        f"{what}: {quantity(Decimal(count['quantity']))} {sold.unit}, {money(count['amount_minor'], sold.currency)}"
        for what, count in (("Invoiced before", explanation["invoiced"]), ("Counted now", explanation["now"]))
    ]


def _step(step: Mapping[str, Any], model: str, sold: _Sold) -> ShownStep:
    """A step that costs nothing is included; one without a rate is only its flat amount, which stands beside it."""
    count, each, flat = (Decimal(step[name]) for name in ("quantity", "unit_amount", "flat_amount"))
    parts = []
    if count and each:
        parts.append(f"{quantity(count)}{_packages(model, sold)} {_TIMES} {sold.amount(step['unit_amount'])}")
    if flat and (parts or "tier" in step):
        parts.append(sold.amount(step["flat_amount"]))
    if count and not each and not flat:
        parts.append(f"{quantity(count)}{_packages(model, sold)} included")
    return ShownStep(_reach(step.get("tier")), " + ".join(parts), sold.amount(step["amount"]))


def _packages(model: str, sold: _Sold) -> str:
    size = sold.terms.get("package_size")
    return "" if model != PriceModel.PACKAGE or size is None else f" packages of {quantity(Decimal(size))} {sold.unit}"


def _reach(tier: Mapping[str, Any] | None) -> str:
    if tier is None:
        return ""
    above = Decimal(tier["above"])
    if tier["up_to"] is None:
        return f"Above {quantity(above)}" if above else "All"
    end = quantity(Decimal(tier["up_to"]))
    return f"{quantity(above)} to {end}" if above else f"Up to {end}"


def _rounding(explanation: Mapping[str, Any], sold: _Sold) -> list[str]:
    """That something was rounded, where it was."""
    exact, digits = Decimal(explanation["exact_amount"]), explanation["rounding"]["digits"]
    whole_minor = exact.scaleb(digits)
    if whole_minor == whole_minor.to_integral_value():
        return []
    return [f"{rate(exact, sold.currency)} exactly, rounded half-up to {digits} digit{'' if digits == 1 else 's'}"]
