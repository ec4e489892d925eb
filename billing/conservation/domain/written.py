"""Invoices that staff wrote, computed again from quantities, unit prices and rates alone. Pure.

`docs/algorithms/invoicing.md`, V14.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction

from billing.conservation.domain.costs import digits_of, rounded

TaxKey = tuple[str, str, str, Decimal]


@dataclass(frozen=True, slots=True)
class WrittenLine:
    """A line with the price that its explanation has, and its tax: country, category, name and rate."""

    position: int
    quantity: Decimal
    unit_price: Decimal | None
    amount_minor: int
    tax: TaxKey
    is_on_its_day: bool


@dataclass(frozen=True, slots=True)
class WrittenTax:
    """A row of taxes below the lines."""

    tax: TaxKey
    base_minor: int
    tax_minor: int


@dataclass(frozen=True, slots=True)
class WrittenInvoice:
    """An invoice that staff wrote, as its tables have it; `sums` are subtotal, tax and total."""

    number: str
    currency: str
    sums: tuple[int, ...]
    lines: Sequence[WrittenLine]
    taxes: Sequence[WrittenTax]


def faults_of(written: WrittenInvoice) -> Iterator[str]:
    """Yield what an invoice says otherwise than its quantities, prices and rates come to."""
    digits = digits_of(written.currency)
    bases: dict[TaxKey, int] = defaultdict(int)
    for line in written.lines:
        bases[line.tax] += line.amount_minor
        right = (
            None if line.unit_price is None else rounded(Fraction(line.quantity) * Fraction(line.unit_price), digits)
        )
        if line.amount_minor != right:
            yield f"Line {line.position} is over {line.amount_minor}, and quantity times price is {right}."
        if not line.is_on_its_day:
            yield f"Line {line.position} is supplied on another day than its last one."
    right_taxes = {
        key: (base, rounded(Fraction(base) / 10**digits * Fraction(key[-1]) / 100, digits))
        for key, base in bases.items()
    }
    if right_taxes != {row.tax: (row.base_minor, row.tax_minor) for row in written.taxes}:
        yield "Its taxes are not the rates on the sums of its lines."
    subtotal, tax = sum(bases.values()), sum(minor for _, minor in right_taxes.values())
    if written.sums != (subtotal, tax, subtotal + tax):
        said, right_sums = list(written.sums), [subtotal, tax, subtotal + tax]
        yield f"Subtotal, tax and total are {said}, and {right_sums} is right."
