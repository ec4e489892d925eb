"""How the staff admin writes amounts, price terms and how a charge came about."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, cast

from accounts.domain.numbers import number_text
from billing.domain.money import to_major
from billing.domain.prices import Flat, Graduated, Package, PerUnit, PriceTerms, Tier, Volume
from billing.domain.rating import Charge


def shown_terms(terms: PriceTerms, unit: str = "") -> list[str]:
    """Price terms in sentences, one for each tier."""
    one = unit or "unit"
    match terms:
        case Flat(amount):
            return [f"{number_text(amount)} a period"]
        case PerUnit(unit_amount):
            return [f"{number_text(unit_amount)} per {one}"]
        case Package(size, amount):
            return [f"{number_text(amount)} per {number_text(size)} {unit or 'units'}, each begun one whole"]
        case Graduated(tiers):
            return [_shown_tier(start, tier, "each") for start, tier in _with_starts(tiers)]
        case Volume(tiers):
            return [_shown_tier(start, tier, "each, for all") for start, tier in _with_starts(tiers)]


def _with_starts(tiers: Sequence[Tier]) -> list[tuple[Decimal, Tier]]:
    starts = [Decimal(0), *(tier.up_to for tier in tiers if tier.up_to is not None)]
    return list(zip(starts, tiers, strict=True))


def _shown_tier(start: Decimal, tier: Tier, how: str) -> str:
    span = f"above {number_text(start)}" if tier.up_to is None else f"{number_text(start)} to {number_text(tier.up_to)}"
    once = f", and {number_text(tier.flat_amount)} once" if tier.flat_amount else ""
    return f"{span}: {number_text(tier.unit_amount)} {how}{once}"


@dataclass(frozen=True, slots=True)
class ShownStep:
    """A step of a charge, in words."""

    what: str
    amount: str


def shown_steps(explanation: Mapping[str, Any]) -> list[ShownStep]:
    """A line's stored explanation as steps to read; empty where a line has none."""
    if explanation.get("model") == "adjustment":
        before, now = explanation.get("invoiced", {}), explanation.get("now", {})
        steps = [
            ShownStep(f"invoiced before on {explanation.get('invoice')}: {number_text(before.get('quantity', 0))}", "")
        ]
        return [*steps, *shown_steps(now)]
    if explanation.get("model") == "proration":
        text = f"{number_text(explanation['fee'])} for {explanation['days']} of {explanation['days_in_period']} days"
        return [ShownStep(text, "")]
    return [_shown_step(step) for step in cast("list[dict[str, Any]]", explanation.get("steps", []))]


def shown_rounding(explanation: Mapping[str, Any], amount_minor: int, currency: str) -> str:
    """What a line comes to exactly, where rounding has changed it."""
    exact = explanation.get("exact_amount")
    if exact is None or Decimal(exact) == to_major(amount_minor, currency):
        return ""
    return f"exactly {number_text(exact)}, rounded half up"


def shown_charge(charge: Charge) -> list[ShownStep]:
    """How a charge came about."""
    return shown_steps(charge.explanation())


def _shown_step(step: Mapping[str, Any]) -> ShownStep:
    tier = step.get("tier")
    span = ""
    if tier:
        span = (
            f"above {number_text(tier['above'])}"
            + (f" up to {number_text(tier['up_to'])}" if tier["up_to"] else "")
            + ": "
        )
    if not Decimal(step["quantity"]):
        return ShownStep(f"{span}once a period", number_text(step["amount"]))
    flat = f" + {number_text(step['flat_amount'])}" if Decimal(step.get("flat_amount", "0")) else ""
    text = f"{span}{number_text(step['quantity'])} \N{MULTIPLICATION SIGN} {number_text(step['unit_amount'])}{flat}"
    return ShownStep(text, number_text(step["amount"]))
