"""The price models, as values: what a plan version charges for, and how it is written down.

Rates are decimals of the currency's major unit with at most 12 digits after the point. `docs/algorithms/rating.md`.
"""

import itertools
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Final, cast

from accounts.domain.plain import plain_decimal
from accounts.errors import FieldError, InvalidFieldsError

RATE_BELOW: Final = Decimal(10) ** 12
TIERS_MAX: Final = 50
AT_ZERO: Final = "charge_flat_at_zero"
_RATE: Final = re.compile(r"[0-9]{1,12}(\.[0-9]{1,12})?", re.ASCII)
_UP_TO: Final = re.compile(r"[0-9]{1,20}(\.[0-9]{1,9})?", re.ASCII)
_NOTHING: Final = Decimal(0)


class PriceModel(StrEnum):
    """How a quantity becomes an amount."""

    FLAT = "flat"
    PER_UNIT = "per_unit"
    GRADUATED = "graduated"
    VOLUME = "volume"
    PACKAGE = "package"


class PriceKind(StrEnum):
    """A recurring fee is charged in advance, usage in arrears."""

    RECURRING = "recurring"
    USAGE = "usage"


@dataclass(frozen=True, slots=True)
class Flat:
    """An amount for a period: always due for a recurring fee, for a meter only if it was used."""

    amount: Decimal


@dataclass(frozen=True, slots=True)
class PerUnit:
    """Each unit costs the same."""

    unit_amount: Decimal


@dataclass(frozen=True, slots=True)
class Tier:
    """A step up to and with `up_to` units; the last step has no end. `flat_amount` is due once it is reached."""

    up_to: Decimal | None
    unit_amount: Decimal
    flat_amount: Decimal = _NOTHING


@dataclass(frozen=True, slots=True)
class Graduated:
    """Each unit costs what its own step says.

    With `charges_flat_at_zero` the first step is reached without any unit, so that its `flat_amount` is always due.
    """

    tiers: tuple[Tier, ...]
    charges_flat_at_zero: bool = False


@dataclass(frozen=True, slots=True)
class Volume:
    """All units cost what the step says in which the quantity lies.

    With `charges_flat_at_zero` a quantity of 0 lies in the first, so that its `flat_amount` is due.
    """

    tiers: tuple[Tier, ...]
    charges_flat_at_zero: bool = False


@dataclass(frozen=True, slots=True)
class Package:
    """Units are sold by the package; one that is begun is charged whole."""

    package_size: Decimal
    package_amount: Decimal


PriceTerms = Flat | PerUnit | Graduated | Volume | Package
MODEL_OF: Final[dict[type[PriceTerms], PriceModel]] = {
    Flat: PriceModel.FLAT,
    PerUnit: PriceModel.PER_UNIT,
    Graduated: PriceModel.GRADUATED,
    Volume: PriceModel.VOLUME,
    Package: PriceModel.PACKAGE,
}


def with_starts(tiers: Sequence[Tier]) -> list[tuple[Decimal, Tier]]:
    """Return each tier with its start: a unit on the border belongs to the tier below."""
    starts = [_NOTHING, *(tier.up_to for tier in tiers if tier.up_to is not None)]
    return list(zip(starts, tiers, strict=True))


def read_terms(model: str, given: Mapping[str, object], *, pointer: str = "/terms") -> PriceTerms:
    """Read terms as they are stored and sent: decimals as text. Raises `InvalidFieldsError` that names each field."""
    reader = _Reader(pointer)
    if model == PriceModel.FLAT:
        terms: PriceTerms = Flat(reader.rate(given, "amount"))
    elif model == PriceModel.PER_UNIT:
        terms = PerUnit(reader.rate(given, "unit_amount"))
    elif model in {PriceModel.GRADUATED, PriceModel.VOLUME}:
        tiers, at_zero = reader.tiers(given), reader.choice(given, AT_ZERO)
        terms = Graduated(tiers, at_zero) if model == PriceModel.GRADUATED else Volume(tiers, at_zero)
    elif model == PriceModel.PACKAGE:
        terms = Package(reader.size(given), reader.rate(given, "package_amount"))
    else:
        refusal = FieldError(pointer, "invalid_model", f"One of: {', '.join(PriceModel)}.")
        raise InvalidFieldsError(refusal.detail, field_errors=(refusal,))
    reader.refuse_unknown(given, terms)
    if reader.errors:
        raise InvalidFieldsError("The price's terms are refused.", field_errors=tuple(reader.errors))
    return terms


def write_terms(terms: PriceTerms) -> dict[str, object]:
    """Return terms as they are stored: the same terms always give the same text."""
    match terms:
        case Flat(amount):
            return {"amount": plain_decimal(amount)}
        case PerUnit(unit_amount):
            return {"unit_amount": plain_decimal(unit_amount)}
        case Package(size, amount):
            return {"package_size": plain_decimal(size), "package_amount": plain_decimal(amount)}
    tiers = [
        {
            "up_to": None if tier.up_to is None else plain_decimal(tier.up_to),
            "unit_amount": plain_decimal(tier.unit_amount),
            "flat_amount": plain_decimal(tier.flat_amount),
        }
        for tier in terms.tiers
    ]
    # Terms from before there was the choice have the same text, and so the same digest.
    return {"tiers": tiers, AT_ZERO: True} if terms.charges_flat_at_zero else {"tiers": tiers}


class _Reader:
    """Reads decimals and collects what is refused."""

    def __init__(self, pointer: str) -> None:
        self.pointer = pointer
        self.errors: list[FieldError] = []

    def rate(self, given: Mapping[str, object], name: str, *, at: str = "", default: Decimal | None = None) -> Decimal:
        value = given.get(name)
        if value is None and default is not None:
            return default
        if isinstance(value, str) and _RATE.fullmatch(value) and Decimal(value) < RATE_BELOW:
            return Decimal(value)
        self._refuse(
            f"{at}/{name}", "invalid_rate", "A decimal in text, 0 or more, with at most 12 digits after the point."
        )
        return _NOTHING

    def size(self, given: Mapping[str, object]) -> Decimal:
        value = given.get("package_size")
        if isinstance(value, str) and _UP_TO.fullmatch(value) and Decimal(value) > 0:
            return Decimal(value)
        self._refuse(
            "/package_size",
            "invalid_package_size",
            "A decimal in text, above 0, with at most 9 digits after the point.",
        )
        return Decimal(1)

    def tiers(self, given: Mapping[str, object]) -> tuple[Tier, ...]:
        rows = given.get("tiers")
        if not isinstance(rows, Sequence) or isinstance(rows, str) or not 1 <= len(rows) <= TIERS_MAX:
            self._refuse("/tiers", "invalid_tiers", f"A list of 1 to {TIERS_MAX} tiers.")
            return (Tier(None, _NOTHING),)
        tiers = tuple(self._tier(row, f"/tiers/{position}") for position, row in enumerate(rows))
        self._check_order(tiers)
        return tiers

    def choice(self, given: Mapping[str, object], name: str) -> bool:
        value = given.get(name, False)
        if not isinstance(value, bool):
            self._refuse(f"/{name}", f"invalid_{name}", "true or false.")
        return value is True

    def refuse_unknown(self, given: Mapping[str, object], terms: PriceTerms) -> None:
        known = {AT_ZERO} if isinstance(terms, Graduated | Volume) else set()
        for name in sorted(set(given) - set(write_terms(terms)) - known):
            self._refuse(f"/{name}", "unknown_field", "This price model has no such term.")

    def _tier(self, row: object, at: str) -> Tier:
        if not isinstance(row, Mapping):
            self._refuse(at, "invalid_tier", "A tier is an object.")
            return Tier(None, _NOTHING)
        fields = cast("Mapping[str, object]", row)
        up_to = fields.get("up_to")
        end: Decimal | None = None
        if isinstance(up_to, str) and _UP_TO.fullmatch(up_to) and Decimal(up_to) > 0:
            end = Decimal(up_to)
        elif up_to is not None:
            self._refuse(f"{at}/up_to", "invalid_up_to", "A decimal in text above 0, or null for the last tier.")
        for name in sorted(set(fields) - {"up_to", "unit_amount", "flat_amount"}):
            self._refuse(f"{at}/{name}", "unknown_field", "A tier has no such term.")
        return Tier(
            end, self.rate(fields, "unit_amount", at=at), self.rate(fields, "flat_amount", at=at, default=_NOTHING)
        )

    def _check_order(self, tiers: Sequence[Tier]) -> None:
        if tiers[-1].up_to is not None:
            self._refuse(
                f"/tiers/{len(tiers) - 1}/up_to", "last_tier_open", "The last tier has no end: its `up_to` is null."
            )
        for position, (tier, following) in enumerate(itertools.pairwise(tiers)):
            if tier.up_to is None:
                self._refuse(f"/tiers/{position}/up_to", "tier_without_end", "Only the last tier has no end.")
            elif following.up_to is not None and following.up_to <= tier.up_to:
                self._refuse(f"/tiers/{position + 1}/up_to", "tiers_unordered", "Each tier ends above the one before.")

    def _refuse(self, at: str, code: str, detail: str) -> None:
        self.errors.append(FieldError(f"{self.pointer}{at}", code, detail))
