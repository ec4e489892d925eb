"""Rating: a quantity and a price give a charge, rounded once, with every step that led to it.

Pure arithmetic on exact decimals; `docs/algorithms/rating.md` has a worked table for each model, and its numbers are
the tests.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal
from typing import Final

from accounts.domain.plain import plain_decimal
from billing.domain.money import EXACT, currency_digits, round_to_minor
from billing.domain.prices import MODEL_OF, Flat, Graduated, Package, PerUnit, PriceTerms, Tier, with_starts

_NOTHING: Final = Decimal(0)


@dataclass(frozen=True, slots=True)
class Step:
    """One part of a charge: `quantity` units, or packages, at `unit_amount` each, and `flat_amount` once."""

    quantity: Decimal
    unit_amount: Decimal
    flat_amount: Decimal
    tier_start: Decimal | None = None
    tier_end: Decimal | None = None
    package_size: Decimal | None = None

    @property
    def amount(self) -> Decimal:
        """What the step comes to, exactly, in the major unit."""
        return EXACT.add(EXACT.multiply(self.quantity, self.unit_amount), self.flat_amount)


@dataclass(frozen=True, slots=True)
class Charge:
    """What a quantity costs: `exact` in the major unit, `amount_minor` rounded half-up to the currency's digits."""

    model: str
    quantity: Decimal
    currency: str
    exact: Decimal
    amount_minor: int
    steps: tuple[Step, ...]

    def explanation(self) -> dict[str, object]:
        """How the amount came about, in the form that a line stores."""
        return {
            "model": self.model,
            "quantity": plain_decimal(self.quantity),
            "steps": [_explained(step) for step in self.steps],
            "exact_amount": plain_decimal(self.exact),
            "rounding": {"mode": "half_up", "digits": currency_digits(self.currency)},
        }


def rate(terms: PriceTerms, quantity: Decimal, currency: str) -> Charge:
    """Return what `quantity` units cost. A quantity below 0 is our mistake: usage never is."""
    assert quantity >= 0, f"usage is 0 or more, not {quantity}"
    steps = tuple(_steps(terms, quantity))
    exact = _NOTHING
    for step in steps:
        exact = EXACT.add(exact, step.amount)
    return Charge(MODEL_OF[type(terms)].value, quantity, currency, exact, round_to_minor(exact, currency), steps)


def _steps(terms: PriceTerms, quantity: Decimal) -> list[Step]:
    if not quantity:
        return []
    match terms:
        case Flat(amount):
            return [Step(_NOTHING, _NOTHING, amount)]
        case PerUnit(unit_amount):
            return [Step(quantity, unit_amount, _NOTHING)]
        case Package(size, amount):
            packages = EXACT.divide(quantity, size).to_integral_value(rounding=ROUND_CEILING, context=EXACT)
            return [Step(packages, amount, _NOTHING, package_size=size)]
        case Graduated(tiers):
            return _graduated(tiers, quantity)
    start, tier = next(
        (start, tier) for start, tier in with_starts(terms.tiers) if tier.up_to is None or quantity <= tier.up_to
    )
    return [Step(quantity, tier.unit_amount, tier.flat_amount, start, tier.up_to)]


def _graduated(tiers: Sequence[Tier], quantity: Decimal) -> list[Step]:
    steps = []
    for start, tier in with_starts(tiers):
        if quantity <= start:
            break
        end = quantity if tier.up_to is None else min(quantity, tier.up_to)
        steps.append(Step(EXACT.subtract(end, start), tier.unit_amount, tier.flat_amount, start, tier.up_to))
    return steps


def _explained(step: Step) -> dict[str, object]:
    explained: dict[str, object] = {
        "quantity": plain_decimal(step.quantity),
        "unit_amount": plain_decimal(step.unit_amount),
        "flat_amount": plain_decimal(step.flat_amount),
        "amount": plain_decimal(step.amount),
    }
    if step.tier_start is not None:
        explained["tier"] = {
            "above": plain_decimal(step.tier_start),
            "up_to": None if step.tier_end is None else plain_decimal(step.tier_end),
        }
    if step.package_size is not None:
        explained["package_size"] = plain_decimal(step.package_size)
    return explained
