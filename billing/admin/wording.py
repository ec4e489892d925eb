"""How the staff admin writes amounts, price terms and the steps of a charge."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from accounts.domain.numbers import number_text
from billing.domain.money import exact_text
from billing.domain.prices import Flat, Graduated, Package, PerUnit, PriceTerms, Tier, Volume, with_starts
from billing.domain.step_words import StepWords, words_of
from billing.domain.steps import steps_of, told_by_the_line

TIMES: Final = "\N{MULTIPLICATION SIGN}"


def shown_terms(terms: PriceTerms, unit: str = "") -> list[str]:
    """Return price terms in sentences, one for each tier."""
    one = unit or "unit"
    match terms:
        case Flat(amount):
            return [f"{number_text(amount)} a period"]
        case PerUnit(unit_amount):
            return [f"{number_text(unit_amount)} per {one}"]
        case Package(size, amount):
            return [f"{number_text(amount)} per {number_text(size)} {unit or 'units'}, each begun one whole"]
        case Graduated(tiers):
            return [*(_shown_tier(start, tier, "each") for start, tier in with_starts(tiers)), *_at_zero(terms)]
        case Volume(tiers):
            return [
                *(_shown_tier(start, tier, "each, for all") for start, tier in with_starts(tiers)),
                *_at_zero(terms),
            ]


def _at_zero(terms: Graduated | Volume) -> list[str]:
    once = terms.tiers[0].flat_amount
    return [f"without usage: {number_text(once)} once"] if terms.charges_flat_at_zero and once else []


def _shown_tier(start: Decimal, tier: Tier, how: str) -> str:
    span = f"above {number_text(start)}" if tier.up_to is None else f"{number_text(start)} to {number_text(tier.up_to)}"
    once = f", and {number_text(tier.flat_amount)} once" if tier.flat_amount else ""
    return f"{span}: {number_text(tier.unit_amount)} {how}{once}"


@dataclass(frozen=True, slots=True)
class StaffStep:
    """A step of a line or a charge: what it computes, and the amount it adds, empty if a step of its kind adds none."""

    what: str
    amount: str


def shown_steps(explanation: Mapping[str, Any], amount_minor: int, currency: str) -> list[StaffStep]:
    """Return the steps that led to an amount, none if the line itself says it all."""
    steps = steps_of(explanation, amount_minor, currency)
    return [] if told_by_the_line(steps) else [_shown_step(words_of(step, currency), currency) for step in steps]


def _shown_step(words: StepWords, currency: str) -> StaffStep:
    numbers = [number_text(number) for number in (words.quantity, words.unit_amount) if number is not None]
    what = f"{words.label}: {f' {TIMES} '.join(numbers)}" if numbers else words.label
    return StaffStep(what, "" if words.amount is None else exact_text(words.amount, currency))
