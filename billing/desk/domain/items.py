"""Single items on an invoice that staff write: what each is, how much of it, its price, and its days. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Any, Final

from accounts.domain.plain import plain_decimal
from accounts.domain.texts import line_problem
from accounts.errors import FieldError, InvalidFieldsError
from billing.domain.invoicing.lines import ONE_OFF, LineDraft
from billing.domain.prices import RATE_BELOW, PerUnit
from billing.domain.rating import rate
from billing.domain.tax import TaxTable
from metering.domain.periods import Span, start_of_day

DESCRIPTION_CHARACTERS_MAX: Final = 300
UNIT_CHARACTERS_MAX: Final = 30
ITEMS_MAX: Final = 20
_DAYS_MAX: Final = timedelta(days=3660)
_QUANTITY_PLACES_MAX: Final = 9
_PRICE_PLACES_MAX: Final = 12


@dataclass(frozen=True, slots=True)
class Item:
    """A single item: supplied from `first_on` to `last_on`, or on one day; the last day decides its tax."""

    description: str
    quantity: Decimal
    unit: str
    unit_price: Decimal
    first_on: date
    last_on: date

    def as_said(self) -> dict[str, object]:
        """Return it as a request keeps it."""
        return {
            "description": self.description,
            "quantity": plain_decimal(self.quantity),
            "unit": self.unit,
            "unit_price": plain_decimal(self.unit_price),
            "first_on": self.first_on.isoformat(),
            "last_on": self.last_on.isoformat(),
        }

    @classmethod
    def of_said(cls, said: Mapping[str, Any]) -> "Item":
        """Return what a request has kept."""
        return cls(
            said["description"],
            Decimal(said["quantity"]),
            said["unit"],
            Decimal(said["unit_price"]),
            date.fromisoformat(said["first_on"]),
            date.fromisoformat(said["last_on"]),
        )


def check_items(items: Sequence[Item]) -> None:
    """Check items before anything is computed. Raises `InvalidFieldsError` that names each field."""
    refusals = []
    if not 1 <= len(items) <= ITEMS_MAX:
        refusals.append(FieldError("/items", "invalid_items", f"1 to {ITEMS_MAX} items."))
    for number, item in enumerate(items):
        refusals += _refusals_of(item, f"/items/{number}")
    if refusals:
        raise InvalidFieldsError(refusals[0].detail, field_errors=tuple(refusals))


def line_of(item: Item, *, currency: str, time_zone: str, taxes: TaxTable) -> LineDraft:
    """Return the line of an item, with the tax of its last day in the customer's time zone."""
    charge = rate(PerUnit(item.unit_price), item.quantity, currency)
    span = Span(start_of_day(item.first_on, time_zone), start_of_day(item.last_on + timedelta(days=1), time_zone))
    return LineDraft(
        kind=ONE_OFF,
        description=item.description,
        period=span,
        quantity=item.quantity,
        amount_minor=charge.amount_minor,
        explanation=charge.explanation(),
        unit=item.unit,
        tax=taxes.on(item.last_on),
        supplied_on=item.last_on,
    )


def _refusals_of(item: Item, at: str) -> list[FieldError]:
    found = [
        problem
        for name, text, most, is_required in (
            ("description", item.description, DESCRIPTION_CHARACTERS_MAX, True),
            ("unit", item.unit, UNIT_CHARACTERS_MAX, False),
        )
        if (problem := line_problem(text, pointer=f"{at}/{name}", characters_max=most, is_required=is_required))
    ]
    if not _is_exact(item.quantity, _QUANTITY_PLACES_MAX) or not item.quantity:
        found.append(FieldError(f"{at}/quantity", "invalid_quantity", "Above 0, with at most nine decimals."))
    if not _is_exact(item.unit_price, _PRICE_PLACES_MAX):
        found.append(FieldError(f"{at}/unit_price", "invalid_price", "0 or more, with at most twelve decimals."))
    if not timedelta() <= item.last_on - item.first_on <= _DAYS_MAX:
        found.append(FieldError(f"{at}/last_on", "invalid_days", "Not before the first day, and within ten years."))
    return found


def _is_exact(value: Decimal, places_max: int) -> bool:
    if not value.is_finite() or not 0 <= value < RATE_BELOW:
        return False
    return value == value.quantize(Decimal(1).scaleb(-places_max))
