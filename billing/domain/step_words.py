"""What the steps of a line are called, the same in the portal, for staff and in documents."""

from dataclasses import dataclass
from decimal import Decimal

from accounts.domain.numbers import number_text
from billing.domain.money import money_text, rate_text, round_to_minor
from billing.domain.steps import (
    CarriedStep,
    FeeTakenBackStep,
    InvoicedBeforeStep,
    LineStep,
    NothingCountedStep,
    OnceStep,
    ProrationStep,
    RoundingStep,
    StoodOnVoidStep,
    TierSpan,
    UnitsStep,
)


@dataclass(frozen=True, slots=True)
class StepWords:
    """A step as it is laid out: what it is, quantity and unit price if it has them, and what it adds."""

    label: str
    amount: Decimal
    quantity: Decimal | None = None
    unit_amount: Decimal | None = None


def words_of(step: LineStep, currency: str) -> StepWords:
    """Return the step in words. Amounts are exact, in the major unit."""
    match step:
        case UnitsStep():
            return StepWords(_units(step), step.amount, step.quantity, step.unit_amount)
        case OnceStep(amount, tier):
            return StepWords("Once a period" if tier is None else f"{_reach(tier)}: once", amount)
        case InvoicedBeforeStep(number, quantity, amount):
            return StepWords(f"Invoiced before, by {number}", amount, quantity)
        case NothingCountedStep(amount):
            return StepWords("Nothing is counted now", amount, Decimal(0))
    return StepWords(_sentence(step, currency), step.amount)


def _sentence(
    step: RoundingStep | ProrationStep | FeeTakenBackStep | StoodOnVoidStep | CarriedStep, currency: str
) -> str:
    match step:
        case RoundingStep(exact):
            return f"Rounded half up from {rate_text(exact, currency)}"
        case ProrationStep(fee, share):
            return f"{share.days} of {share.days_in_period} days of a fee of {rate_text(fee, currency)}"
        case FeeTakenBackStep():
            return "That fee was taken back: nothing of it is given back"
        case StoodOnVoidStep(stood):
            return (
                f"Of that, {money_text(round_to_minor(stood, currency), currency)} stood on invoices that are void "
                f"or credited"
            )
    return "Credit that is carried over"


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
