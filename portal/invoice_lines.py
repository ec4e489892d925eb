"""Lines of an invoice, stored or only computed, with their explanation unfolded: the steps of a price, shares of days, corrections."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

from billing.domain.invoicing import ADJUSTMENT, USAGE, ComputedInvoice
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
    """A line with what led to it. `quantity` is None where nothing was counted; `corrects` is an invoice's number."""

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
    steps: tuple[ShownStep, ...]
    notes: tuple[str, ...]


def lines_of(stored: Iterable[InvoiceLine], currency: str) -> list[ShownLine]:
    """Lines of an invoice as they are stored."""
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
            currency=currency,
        )
        for line in stored
    ]


def lines_ahead(computed: ComputedInvoice) -> list[ShownLine]:
    """Lines of an invoice that is not made yet."""
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
    currency: str,
) -> ShownLine:
    steps, notes = _explained(explanation, unit, currency)
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
        corrects=str(explanation.get("invoice", "")) if kind == ADJUSTMENT else "",
        steps=tuple(steps),
        notes=tuple(notes),
    )


def _explained(explanation: Mapping[str, Any], unit: str, currency: str) -> tuple[list[ShownStep], list[str]]:
    model = explanation.get("model")
    if model == "proration":
        days = f"{explanation['days']} of {explanation['days_in_period']} days"
        return [], [f"{rate(explanation['fee'], currency)} for the whole period, for {days}"]
    if model == "adjustment":
        return _correction(explanation, unit, currency)
    steps = [_step(step, str(model), currency) for step in explanation.get("steps", ())]
    if len(steps) == 1 and not steps[0].reckoning:
        return [], []
    return steps, _rounding(explanation, currency)


def _correction(explanation: Mapping[str, Any], unit: str, currency: str) -> tuple[list[ShownStep], list[str]]:
    """What was invoiced, what the ledger says now, and how that comes to its amount."""
    before, now = explanation["invoiced"], explanation["now"]
    steps, notes = _explained(now, unit, currency)
    invoiced = (
        f"Invoiced before: {quantity(Decimal(before['quantity']))} {unit}, {money(before['amount_minor'], currency)}"
    )
    counted = f"Counted now: {quantity(Decimal(now['quantity']))} {unit}, {money(now['amount_minor'], currency)}"
    return steps, [invoiced, counted, *notes]


def _step(step: Mapping[str, Any], model: str, currency: str) -> ShownStep:
    parts = []
    if Decimal(step["unit_amount"]) or not Decimal(step["flat_amount"]):
        what = " packages" if model == "package" else ""
        parts.append(f"{quantity(Decimal(step['quantity']))}{what} {_TIMES} {rate(step['unit_amount'], currency)}")
    if parts and Decimal(step["flat_amount"]):
        parts.append(rate(step["flat_amount"], currency))
    return ShownStep(_reach(step.get("tier")), " + ".join(parts), rate(step["amount"], currency))


def _reach(tier: Mapping[str, Any] | None) -> str:
    if tier is None:
        return ""
    above = Decimal(tier["above"])
    if tier["up_to"] is None:
        return f"Above {quantity(above)}" if above else "All"
    end = quantity(Decimal(tier["up_to"]))
    return f"{quantity(above)} to {end}" if above else f"Up to {end}"


def _rounding(explanation: Mapping[str, Any], currency: str) -> list[str]:
    """That something was rounded, where it was."""
    exact, rounding = Decimal(explanation["exact_amount"]), explanation["rounding"]
    whole_minor = exact.scaleb(rounding["digits"])
    if whole_minor == whole_minor.to_integral_value():
        return []
    digits = rounding["digits"]
    return [f"{rate(exact, currency)} exactly, rounded half-up to {digits} digit{'' if digits == 1 else 's'}"]
