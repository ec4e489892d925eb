"""Credit of a part of an invoice: how an amount is spread, and what tax it bears.

Pure; `docs/algorithms/invoicing.md`, section C.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from billing.domain.invoicing.taxes import TaxRow
from billing.domain.money import allocate
from billing.domain.tax import TaxDecision


@dataclass(frozen=True, slots=True)
class Creditable:
    """A line of an invoice of which `left_minor` may still be credited, without tax.

    `root_id` is the line of usage that it belongs to, or its own id; `stood_minor` is what stands of that in force.
    """

    line_id: int
    root_id: int
    position: int
    description: str
    tax: TaxDecision
    left_minor: int
    stood_minor: int


@dataclass(frozen=True, slots=True)
class Bearing:
    """A tax of an invoice: its base, and how much of that was credited before."""

    base_minor: int
    credited_minor: int

    @property
    def left_minor(self) -> int:
        """Return what of the base may still be credited."""
        return max(self.base_minor - self.credited_minor, 0)


TaxKey = tuple[object, ...]


def tax_key(tax: TaxDecision) -> TaxKey:
    """Return what lines of one row of taxes have in common."""
    return tax.jurisdiction, tax.category, tax.name, tax.percent


def spread(amount_minor: int, lines: Sequence[Creditable], bases: Mapping[TaxKey, Bearing]) -> dict[int, int]:
    """Split an amount without tax over an invoice, and return it by position: over its taxes, then over their lines.

    Each has a share by what of it may still be credited, with the largest remainders.
    """
    of_tax: dict[TaxKey, list[Creditable]] = {}
    for line in lines:
        if line.left_minor:
            of_tax.setdefault(tax_key(line.tax), []).append(line)
    weights = {key: min(bases[key].left_minor, sum(one.left_minor for one in some)) for key, some in of_tax.items()}
    if not sum(weights.values()):
        return {}
    found: dict[int, int] = {}
    for part, some in zip(allocate(amount_minor, list(weights.values())), of_tax.values(), strict=True):
        shares = allocate(part, [one.left_minor for one in some])
        found |= {one.position: share for one, share in zip(some, shares, strict=True) if share}
    return dict(sorted(found.items()))


def creditable_minor(lines: Sequence[Creditable], bases: Mapping[TaxKey, Bearing]) -> int:
    """Return how much of an invoice may still be credited, without tax."""
    left: dict[TaxKey, int] = {}
    for line in lines:
        left[tax_key(line.tax)] = left.get(tax_key(line.tax), 0) + line.left_minor
    return sum(min(bases[key].left_minor, minor) for key, minor in left.items())


def tax_rows_of(
    amounts: Mapping[int, int], lines: Sequence[Creditable], bases: Mapping[TaxKey, Bearing], currency: str
) -> tuple[TaxRow, ...]:
    """Compute the taxes that amounts by position bear.

    What was credited before counts, so that the taxes of all credit notes sum to that of the whole.
    """
    credited: dict[TaxKey, int] = {}
    taxes: dict[TaxKey, TaxDecision] = {}
    for line in lines:
        if amounts.get(line.position):
            key = tax_key(line.tax)
            taxes.setdefault(key, line.tax)
            credited[key] = credited.get(key, 0) + amounts[line.position]
    rows = []
    for key, base_minor in credited.items():
        before, tax = bases[key].credited_minor, taxes[key]
        tax_minor = tax.amount_minor(before + base_minor, currency) - tax.amount_minor(before, currency)
        rows.append(TaxRow(tax, base_minor, tax_minor))
    return tuple(rows)
