"""What the steps of a line are called, the same in the portal, for staff and in documents."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from accounts.domain.numbers import number_text
from billing.domain.money import EXACT, money_text, rate_text, round_to_minor
from billing.domain.steps import (
    CarriedStep,
    FeeKeptStep,
    FeeTakenBackStep,
    InvoicedBeforeStep,
    LineStep,
    NothingCountedStep,
    OnceStep,
    PositionStep,
    ProrationStep,
    RoundingStep,
    StoodOnVoidStep,
    TierSpan,
    UnitsStep,
)

_ONE: Final = Decimal(1)


@dataclass(frozen=True, slots=True)
class StepWords:
    """A step as it is laid out: what it is, quantity and unit price if it has them, and what it adds, if it can."""

    label: str
    amount: Decimal | None
    quantity: Decimal | None = None
    unit_amount: Decimal | None = None


def words_of(step: LineStep, currency: str) -> StepWords:
    """Return the step in words. Amounts are exact, in the major unit."""
    match step:
        case PositionStep():
            return StepWords(_position(step), None)
        case UnitsStep():
            return StepWords(_units(step), step.amount, step.quantity, step.unit_amount)
        case OnceStep():
            return StepWords(_once(step, currency), step.amount)
        case InvoicedBeforeStep(number, quantity, amount):
            return StepWords(f"Invoiced before, by {number}", amount, quantity)
        case NothingCountedStep(amount):
            return StepWords("Nothing is counted now", amount, Decimal(0))
    return StepWords(_sentence(step, currency), step.amount)


def _sentence(
    step: RoundingStep | ProrationStep | FeeTakenBackStep | FeeKeptStep | StoodOnVoidStep | CarriedStep, currency: str
) -> str:
    match step:
        case RoundingStep(exact, is_with_lines_before=is_with_lines_before):
            together = ", together with the lines before at this price" if is_with_lines_before else ""
            return f"Rounded half up from {rate_text(exact, currency)}{together}"
        case ProrationStep(fee, share):
            return f"{share.days} of {share.days_in_period} days of a fee of {rate_text(fee, currency)}"
        case FeeTakenBackStep():
            return "That fee was taken back: nothing of it is given back"
        case FeeKeptStep():
            return "Fees that were charged are not given back"
        case StoodOnVoidStep(stood):
            return (
                f"Of that, {money_text(round_to_minor(stood, currency), currency)} stood on invoices that are void "
                f"or credited"
            )
    return "Credit that is carried over"


def _position(step: PositionStep) -> str:
    """Return which units of the period are meant; whole ones are counted from 1."""
    up_to, of = number_text(step.up_to), "" if step.of is None else f", which has {number_text(step.of)}"
    of += ", since other usage of it was corrected" if step.is_moved else ""
    if any(end != end.to_integral_value() for end in (step.above, step.up_to)):
        return f"Units above {number_text(step.above)} up to {up_to} of this period{of}"
    first = EXACT.add(step.above, _ONE)
    which = f"Unit {up_to}" if step.up_to == first else f"Units {number_text(first)} to {up_to}"
    return f"{which} of this period{of}"


def _once(step: OnceStep, currency: str) -> str:
    label = "Once a period" if step.tier is None else f"{_reach(step.tier)}: once"
    if step.whole is None:
        return label
    return f"{label} {rate_text(step.whole, currency)}, less what was charged for it before"


def _units(step: UnitsStep) -> str:
    if step.package_size is not None:
        return f"Packages of {number_text(step.package_size)}, begun"
    label = "Units" if step.tier is None else _reach(step.tier)
    return label if step.unit_amount else f"{label}, included"


def _reach(tier: TierSpan) -> str:
    if tier.up_to is None:
        return f"Above {number_text(tier.above)}" if tier.above else "All units"
    up_to = number_text(tier.up_to)
    return f"Above {number_text(tier.above)} up to {up_to}" if tier.above else f"Up to {up_to}"
