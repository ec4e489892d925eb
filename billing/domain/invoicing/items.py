"""Single items that staff enter: what each is, how much of it, its price, and its days. Pure.

They stand on an invoice that staff write, or wait for the customer's next invoice: `docs/algorithms/invoicing.md`,
section I.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

from accounts.domain.plain import plain_decimal
from accounts.domain.texts import line_problem
from accounts.errors import FieldError, InvalidFieldsError
from billing.domain.invoicing.lines import ONE_OFF, LineDraft
from billing.domain.prices import RATE_BELOW, PerUnit
from billing.domain.rating import rate
from billing.domain.tax import TaxCategory, TaxDecision, TaxTable, TaxTreatment
from metering.domain.periods import Span, start_of_day

DESCRIPTION_CHARACTERS_MAX: Final = 300
UNIT_CHARACTERS_MAX: Final = 30
ITEMS_MAX: Final = 20
# Article 2 (1) of Directive 2006/112/EC: what is no supply for consideration, such as compensation, bears no tax.
NO_SUPPLY_NOTE: Final = "Outside the scope of tax: not a supply for consideration."
_DAYS_MAX: Final = timedelta(days=3660)
_QUANTITY_PLACES_MAX: Final = 9
_PRICE_PLACES_MAX: Final = 12


@dataclass(frozen=True, slots=True)
class Item:
    """A single item: supplied from `first_on` to `last_on`, or on one day; the last day decides its tax.

    A price below 0 gives something back. `tax_category` is empty if its tax follows as for all that the customer buys,
    or the code of what is outside the scope of tax.
    """

    description: str
    quantity: Decimal
    unit: str
    unit_price: Decimal
    first_on: date
    last_on: date
    tax_category: str = ""

    def as_said(self) -> dict[str, object]:
        """Return it as a request keeps it."""
        return {
            "description": self.description,
            "quantity": plain_decimal(self.quantity),
            "unit": self.unit,
            "unit_price": plain_decimal(self.unit_price),
            "first_on": self.first_on.isoformat(),
            "last_on": self.last_on.isoformat(),
            **({"tax_category": self.tax_category} if self.tax_category else {}),
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
            said.get("tax_category", ""),
        )


@dataclass(frozen=True, slots=True)
class OpenItem:
    """An item that waits for the next invoice, by its id.

    If an invoice took it that is not in force any more, `last_taken_by` is that invoice, and `borne` the tax that the
    item bore.
    """

    item_id: UUID
    item: Item
    last_taken_by: UUID | None = None
    borne: TaxDecision | None = None


def check_items(items: Sequence[Item], *, may_give_back: bool = False) -> None:
    """Check items before anything is computed. Raises `InvalidFieldsError` that names each field."""
    refusals = []
    if not 1 <= len(items) <= ITEMS_MAX:
        refusals.append(FieldError("/items", "invalid_items", f"1 to {ITEMS_MAX} items."))
    for number, item in enumerate(items):
        refusals += _refusals_of(item, f"/items/{number}", may_give_back=may_give_back)
    if refusals:
        raise InvalidFieldsError(refusals[0].detail, field_errors=tuple(refusals))


def line_of(item: Item, *, currency: str, time_zone: str, taxes: TaxTable) -> LineDraft:
    """Return the line of an item, with the tax of its last day in the customer's time zone."""
    chosen = {"tax_category": item.tax_category} if item.tax_category else {}
    charge = rate(PerUnit(item.unit_price), item.quantity, currency)
    span = Span(start_of_day(item.first_on, time_zone), start_of_day(item.last_on + timedelta(days=1), time_zone))
    return LineDraft(
        kind=ONE_OFF,
        description=item.description,
        period=span,
        quantity=item.quantity,
        amount_minor=charge.amount_minor,
        explanation={**charge.explanation(), **chosen},
        unit=item.unit,
        tax=tax_of(item, taxes),
        supplied_on=item.last_on,
    )


def open_line_of(one: OpenItem, *, currency: str, time_zone: str, taxes: TaxTable) -> LineDraft:
    """Return the line of an item that waited, which names it; one that comes again bears the tax that it bore."""
    line = line_of(one.item, currency=currency, time_zone=time_zone, taxes=taxes)
    return replace(line, explanation={**line.explanation, "item": str(one.item_id)}, tax=one.borne or line.tax)


def tax_of(item: Item, taxes: TaxTable) -> TaxDecision:
    """Return the tax of an item: what holds on its last day, or none if it is outside the scope."""
    decision = taxes.on(item.last_on)
    return outside_scope(decision.jurisdiction) if item.tax_category == TaxCategory.OUT_OF_SCOPE else decision


def outside_scope(jurisdiction: str) -> TaxDecision:
    """Return the decision for what is no supply."""
    treatment, category = TaxTreatment.STANDARD, TaxCategory.OUT_OF_SCOPE
    return TaxDecision(treatment, "Tax", Decimal(0), NO_SUPPLY_NOTE, category, jurisdiction)


def _refusals_of(item: Item, at: str, *, may_give_back: bool) -> list[FieldError]:
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
    if not _is_exact(abs(item.unit_price) if may_give_back else item.unit_price, _PRICE_PLACES_MAX):
        found.append(FieldError(f"{at}/unit_price", "invalid_price", "0 or more, with at most twelve decimals."))
    if item.tax_category not in {"", TaxCategory.OUT_OF_SCOPE}:
        found.append(FieldError(f"{at}/tax_category", "invalid_category", "Empty, or O for what is no supply."))
    if not timedelta() <= item.last_on - item.first_on <= _DAYS_MAX:
        found.append(FieldError(f"{at}/last_on", "invalid_days", "Not before the first day, and within ten years."))
    return found


def _is_exact(value: Decimal, places_max: int) -> bool:
    if not value.is_finite() or not 0 <= value < RATE_BELOW:
        return False
    return value == value.quantize(Decimal(1).scaleb(-places_max))
