"""Rating: a quantity and a price give a charge, rounded once, with every step that led to it.

If a billing period has several stretches, on one plan after another, each is rated from the position that the period
has reached. Pure arithmetic on exact decimals; `docs/algorithms/rating.md` has a worked table for each model, and its
numbers are the tests.
"""

from collections import defaultdict
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass, field
from decimal import ROUND_CEILING, Decimal
from functools import reduce
from typing import Final

from accounts.domain.plain import plain_decimal
from billing.domain.money import EXACT, currency_digits, round_to_minor
from billing.domain.prices import MODEL_OF, Flat, Graduated, Package, PerUnit, PriceTerms, Tier, Volume, with_starts

_NOTHING: Final = Decimal(0)


@dataclass(frozen=True, slots=True)
class Step:
    """One part of a charge: `quantity` units, or packages, at `unit_amount` each, and `flat_amount` once.

    `flat_whole` is what is due once a period, if earlier stretches of the period paid some of it.
    """

    quantity: Decimal
    unit_amount: Decimal
    flat_amount: Decimal
    tier_start: Decimal | None = None
    tier_end: Decimal | None = None
    package_size: Decimal | None = None
    flat_whole: Decimal | None = None

    @property
    def amount(self) -> Decimal:
        """Return the exact amount of the step, in the major unit."""
        amount = EXACT.multiply(self.quantity, self.unit_amount)
        return EXACT.add(amount, self.flat_amount) if self.flat_amount else amount


@dataclass(frozen=True, slots=True)
class Position:
    """What a billing period has had of a meter when a stretch begins, in units and in exact amounts.

    `units` were priced before, of `period` in all. Earlier stretches paid `once` of what is due once; their packages
    hold the units up to `packaged`; those at the same price came to `exact`.
    """

    units: Decimal
    period: Decimal
    once: Decimal = _NOTHING
    packaged: Decimal = _NOTHING
    exact: Decimal = _NOTHING

    def explanation(self) -> dict[str, str]:
        """Return the position in the form that a line stores."""
        more = {"once": self.once, "packaged": self.packaged, "exact": self.exact}
        numbers = {"units": self.units, "period": self.period} | {name: it for name, it in more.items() if it}
        return {name: plain_decimal(number) for name, number in numbers.items()}


@dataclass(frozen=True, slots=True)
class Charge:
    """The cost of a quantity: `exact` in the major unit, `amount_minor` rounded half-up to the currency's digits.

    `position` is where one stretch of several begins; None if the period has only one.
    """

    model: str
    quantity: Decimal
    currency: str
    exact: Decimal
    amount_minor: int
    steps: tuple[Step, ...]
    position: Position | None = None

    def explanation(self) -> dict[str, object]:
        """Return how the amount was computed, in the form that a line stores."""
        explained: dict[str, object] = {
            "model": self.model,
            "quantity": plain_decimal(self.quantity),
            "steps": [_explained(step) for step in self.steps],
            "exact_amount": plain_decimal(self.exact),
            "rounding": {"mode": "half_up", "digits": currency_digits(self.currency)},
        }
        return explained if self.position is None else explained | {"position": self.position.explanation()}


@dataclass(frozen=True, slots=True)
class Stretch:
    """So many units of a meter under one price; stretches with an equal `price` are at the same one."""

    price: Hashable
    terms: PriceTerms
    quantity: Decimal


def rate(terms: PriceTerms, quantity: Decimal, currency: str, position: Position | None = None) -> Charge:
    """Return what `quantity` units cost, from `position` on: without one they are all that the period has.

    A quantity below 0 is our mistake: usage never is.
    """
    assert quantity >= 0, f"usage is 0 or more, not {quantity}"
    at = position or Position(_NOTHING, quantity)
    steps = tuple(_steps(terms, quantity, at))
    exact = _sum([step.amount for step in steps])
    amount_minor = round_to_minor(EXACT.add(at.exact, exact) if at.exact else exact, currency)
    if at.exact:
        amount_minor -= round_to_minor(at.exact, currency)
    return Charge(MODEL_OF[type(terms)].value, quantity, currency, exact, amount_minor, steps, position)


def rate_stretches(stretches: Sequence[Stretch], currency: str) -> list[Charge]:
    """Return what each stretch of one meter in one billing period costs, in their order.

    `docs/algorithms/rating.md`, section S.
    """
    if len(stretches) == 1:
        [only] = stretches
        return [rate(only.terms, only.quantity, currency)]
    running = _Running(_sum(one.quantity for one in stretches))
    charges = []
    for stretch in stretches:
        charge = rate(stretch.terms, stretch.quantity, currency, running.position_of(stretch))
        running.add(stretch, charge)
        charges.append(charge)
    return charges


@dataclass(slots=True)
class _Running:
    """The position of a period while its stretches are rated one after another."""

    period: Decimal
    units: Decimal = _NOTHING
    once: Decimal = _NOTHING
    packaged: Decimal = _NOTHING
    exact_of: defaultdict[Hashable, Decimal] = field(default_factory=lambda: defaultdict(Decimal))

    def position_of(self, stretch: Stretch) -> Position:
        return Position(self.units, self.period, self.once, self.packaged, self.exact_of[stretch.price])

    def add(self, stretch: Stretch, charge: Charge) -> None:
        if isinstance(stretch.terms, Package):
            begun = EXACT.multiply(_sum(step.quantity for step in charge.steps), stretch.terms.package_size)
            self.packaged = EXACT.add(max(self.units, self.packaged), begun) if begun else self.packaged
        self.units = EXACT.add(self.units, stretch.quantity)
        self.once = EXACT.add(self.once, _sum(step.flat_amount for step in charge.steps))
        self.exact_of[stretch.price] = EXACT.add(self.exact_of[stretch.price], charge.exact)


def _steps(terms: PriceTerms, quantity: Decimal, at: Position) -> list[Step]:
    if not quantity:
        return _unused(terms, at)
    match terms:
        case Flat(amount):
            due = _due_once(_NOTHING, amount, at)
            return [Step(_NOTHING, _NOTHING, due, flat_whole=None if due == amount else amount)]
        case PerUnit(unit_amount):
            return [Step(quantity, unit_amount, _NOTHING)]
        case Package(size, amount):
            end = EXACT.add(at.units, quantity)
            more = max(EXACT.subtract(end, max(at.units, at.packaged)), _NOTHING)
            packages = EXACT.divide(more, size).to_integral_value(rounding=ROUND_CEILING, context=EXACT)
            return [Step(packages, amount, _NOTHING, package_size=size)]
        case Graduated():
            return _graduated(terms, quantity, at)
    return _volume(terms, quantity, at)


def _graduated(terms: Graduated, quantity: Decimal, at: Position) -> list[Step]:
    """Return a step for each tier that has units of the stretch, or an amount that the period has not paid yet."""
    steps = []
    end, asked = EXACT.add(at.units, quantity), _NOTHING
    for start, tier in with_starts(terms.tiers):
        if end <= start:
            break
        upper = end if tier.up_to is None else min(end, tier.up_to)
        units = max(EXACT.subtract(upper, max(start, at.units)), _NOTHING)
        due = _due_once(asked, tier.flat_amount, at)
        asked = EXACT.add(asked, tier.flat_amount)
        if units or due:
            steps.append(_in_tier(units, start, tier, due))
    return steps


def _volume(terms: Volume, quantity: Decimal, at: Position) -> list[Step]:
    start, tier = _reached(terms, at)
    return [_in_tier(quantity, start, tier, _due_once(_NOTHING, tier.flat_amount, at))]


def _unused(terms: PriceTerms, at: Position) -> list[Step]:
    """Return what is due once although the stretch has no usage, if the price says so."""
    match terms:
        case Graduated(tiers, charges_flat_at_zero=True):
            start, tier = with_starts(tiers)[0]
        case Volume(charges_flat_at_zero=True):
            start, tier = _reached(terms, at)
        case _:
            return []
    due = _due_once(_NOTHING, tier.flat_amount, at)
    return [_in_tier(_NOTHING, start, tier, due)] if due else []


def _reached(terms: Volume, at: Position) -> tuple[Decimal, Tier]:
    """Return the tier that the whole period's quantity reaches, with its start."""
    return next(
        (start, tier) for start, tier in with_starts(terms.tiers) if tier.up_to is None or at.period <= tier.up_to
    )


def _in_tier(units: Decimal, start: Decimal, tier: Tier, due: Decimal) -> Step:
    whole = tier.flat_amount if _NOTHING < due < tier.flat_amount else None
    return Step(units, tier.unit_amount, due, start, tier.up_to, flat_whole=whole)


def _due_once(asked: Decimal, amount: Decimal, at: Position) -> Decimal:
    """Return what is still to be paid of an amount that is due once, on top of what was `asked` before it."""
    unpaid = EXACT.subtract(EXACT.add(asked, amount), max(asked, at.once))
    return max(unpaid, _NOTHING)


def _sum(numbers: Iterable[Decimal]) -> Decimal:
    """Return their sum with every digit: `sum` itself would round to 28."""
    return reduce(EXACT.add, numbers, _NOTHING)


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
    if step.flat_whole is not None:
        explained["flat_whole"] = plain_decimal(step.flat_whole)
    return explained
