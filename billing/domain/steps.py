"""How a line's amount came about: steps that add up to it (`docs/algorithms/rating.md`, E).

A page, a document or a mail shows the steps in their order; what each is called stands in `billing.domain.step_words`.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any, Final

from billing.domain.money import EXACT, to_major
from billing.domain.proration import ShareOfPeriod

_NOTHING: Final = Decimal(0)


@dataclass(frozen=True, slots=True)
class TierSpan:
    """Which part of a quantity a step is about: what is above `above`, up to and with `up_to`; None has no end."""

    above: Decimal
    up_to: Decimal | None


@dataclass(frozen=True, slots=True)
class PositionStep:
    """The units of the period that one stretch of several has: those above `above`, up to and with `up_to`.

    `of` is the period's whole quantity, if the price depends on it. `is_moved` says of a correction that the line's
    own usage did not change, but other usage of the period did. It adds nothing.
    """

    above: Decimal
    up_to: Decimal
    of: Decimal | None = None
    is_moved: bool = False
    amount: Decimal = _NOTHING


@dataclass(frozen=True, slots=True)
class UnitsStep:
    """So many units, or packages of `package_size` units each, at one price."""

    quantity: Decimal
    unit_amount: Decimal
    tier: TierSpan | None = None
    package_size: Decimal | None = None

    @property
    def amount(self) -> Decimal:
        """Return the exact amount that the step adds, in the major unit."""
        return EXACT.multiply(self.quantity, self.unit_amount)


@dataclass(frozen=True, slots=True)
class OnceStep:
    """An amount that is due once: a fee, or the flat amount of a tier that was reached.

    `whole` is what is due in a period, if the lines before paid some of it.
    """

    amount: Decimal
    tier: TierSpan | None = None
    whole: Decimal | None = None


@dataclass(frozen=True, slots=True)
class RoundingStep:
    """What rounding half-up to the currency's digits adds to `exact`, or takes from it.

    `is_with_lines_before` says that the lines of one price in a period are rounded together.
    """

    exact: Decimal
    amount: Decimal
    is_with_lines_before: bool = False


@dataclass(frozen=True, slots=True)
class ProrationStep:
    """A fee's share for some days of a period, rounded half-up; below 0 if it is given back."""

    fee: Decimal
    share: ShareOfPeriod
    amount: Decimal


@dataclass(frozen=True, slots=True)
class FeeTakenBackStep:
    """Nothing is given back of a fee whose invoice is void or credited: the share before is taken off again."""

    amount: Decimal


@dataclass(frozen=True, slots=True)
class FeeKeptStep:
    """The seller gives no fees back: what the lines of a period would give back together is kept."""

    amount: Decimal


@dataclass(frozen=True, slots=True)
class NothingCountedStep:
    """A correction of usage of which nothing is counted any more."""

    amount: Decimal = _NOTHING


@dataclass(frozen=True, slots=True)
class InvoicedBeforeStep:
    """What invoice `number` and its corrections charged for the same usage, taken off.

    `quantity` is what they counted.
    """

    number: str
    quantity: Decimal
    amount: Decimal


@dataclass(frozen=True, slots=True)
class StoodOnVoidStep:
    """`stood` of the amount before stands on invoices that are void or credited; `amount` of that is not given back."""

    stood: Decimal
    amount: Decimal


@dataclass(frozen=True, slots=True)
class CarriedStep:
    """Credit that goes from one invoice to the next."""

    amount: Decimal


LineStep = (
    PositionStep
    | UnitsStep
    | OnceStep
    | RoundingStep
    | ProrationStep
    | FeeTakenBackStep
    | FeeKeptStep
    | NothingCountedStep
    | InvoicedBeforeStep
    | StoodOnVoidStep
    | CarriedStep
)


def steps_of(explanation: Mapping[str, Any], amount_minor: int, currency: str) -> list[LineStep]:
    """Return the steps of a line over `amount_minor`; their amounts, in the major unit, sum to it."""
    match explanation["model"]:
        case "carry" | "reopened":
            return [CarriedStep(to_major(amount_minor, currency))]
        case "credited":
            return []
        case "proration":
            return list(_prorated(explanation, amount_minor, currency))
        case "adjustment":
            return list(_corrected(explanation, amount_minor, currency))
    return list(_charged(explanation, amount_minor, currency))


def told_by_the_line(steps: list[LineStep]) -> bool:
    """Return whether a line's amount needs no steps: nothing was used, or it is due once, or carried over."""
    match steps:
        case [] | [CarriedStep()] | [OnceStep(tier=None)]:
            return True
    return False


def _charged(explanation: Mapping[str, Any], amount_minor: int, currency: str) -> Iterator[LineStep]:
    position = explanation.get("position")
    if position is not None and (quantity := Decimal(explanation["quantity"])):
        above = Decimal(position["units"])
        of = Decimal(position["period"]) if explanation["model"] == "volume" else None
        yield PositionStep(above, EXACT.add(above, quantity), of)
    for stored in explanation["steps"]:
        yield from _priced(stored)
    exact, rounded = Decimal(explanation["exact_amount"]), to_major(amount_minor, currency)
    if exact != rounded:
        yield RoundingStep(exact, EXACT.subtract(rounded, exact), position is not None and "exact" in position)


def _priced(stored: Mapping[str, Any]) -> Iterator[LineStep]:
    """Yield the units of a stored step, unless they cost nothing beside what is due once, and what is due once."""
    quantity, each, once = (Decimal(stored[name]) for name in ("quantity", "unit_amount", "flat_amount"))
    tier, size = stored.get("tier"), stored.get("package_size")
    of = None if tier is None else TierSpan(Decimal(tier["above"]), _decimal(tier["up_to"]))
    if size is not None or (quantity and (each or not once)):
        yield UnitsStep(quantity, each, of, _decimal(size))
    if once or not (quantity or size):
        yield OnceStep(once, of, _decimal(stored.get("flat_whole")))


def _decimal(stored: str | None) -> Decimal | None:
    return None if stored is None else Decimal(stored)


def _prorated(explanation: Mapping[str, Any], amount_minor: int, currency: str) -> Iterator[LineStep]:
    share, fee = ShareOfPeriod(explanation["days"], explanation["days_in_period"]), Decimal(explanation["fee"])
    is_forgiven = explanation.get("is_forgiven", False)
    whole = to_major(share.of(fee, currency), currency)
    kept_minor = explanation.get("kept_minor", 0)
    is_given_back = is_forgiven or kept_minor or amount_minor < 0
    yield ProrationStep(fee, share, -whole if is_given_back else whole)
    if is_forgiven:
        yield FeeTakenBackStep(whole)
    if kept_minor:
        yield FeeKeptStep(to_major(kept_minor, currency))


def _corrected(explanation: Mapping[str, Any], amount_minor: int, currency: str) -> Iterator[LineStep]:
    before, now = explanation["invoiced"], explanation["now"]
    charged = list(_charged(now, now["amount_minor"], currency))
    is_moved = Decimal(before["quantity"]) == Decimal(now["quantity"])
    for step in charged or [NothingCountedStep()]:
        yield replace(step, is_moved=is_moved) if isinstance(step, PositionStep) else step
    invoiced_minor = before["amount_minor"]
    yield InvoicedBeforeStep(explanation["invoice"], Decimal(before["quantity"]), to_major(-invoiced_minor, currency))
    kept_minor = amount_minor - (now["amount_minor"] - invoiced_minor)
    stood_minor = before.get("forgiven_minor", 0) + before.get("credited_minor", 0)
    if stood_minor or kept_minor:
        yield StoodOnVoidStep(to_major(stood_minor, currency), to_major(kept_minor, currency))
