"""Tax of an invoice: a row for each tax that its lines bear, on their sum. Pure; `docs/algorithms/invoicing.md`, L2."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from billing.domain.invoicing.lines import LineDraft
from billing.domain.tax import TaxDecision, TaxTreatment

REASON_CHARACTERS_MAX: Final = 500


@dataclass(frozen=True, slots=True)
class TaxRow:
    """What an invoice bears of one tax.

    `base_minor` is the sum of the lines that bear it. It is negative if more is given back than charged, and so is
    `tax_minor` then.
    """

    tax: TaxDecision
    base_minor: int
    tax_minor: int


def tax_rows(lines: Sequence[LineDraft], currency: str) -> tuple[TaxRow, ...]:
    """Compute one row for each jurisdiction, category, name and percent, in the order of the lines.

    Lines that settle credit bear no tax. If lines of one row give several reasons, the row gives all of them.
    """
    found: dict[tuple[object, ...], list[tuple[TaxDecision, int]]] = {}
    for line in lines:
        if line.tax is not None:
            key = line.tax.jurisdiction, line.tax.category, line.tax.name, line.tax.percent
            found.setdefault(key, []).append((line.tax, line.amount_minor))
    return tuple(_row(bearing, currency) for bearing in found.values())


def merchant_of(rows: Sequence[TaxRow]) -> str:
    """Return the merchant of record that declares the whole tax; empty if any of it is for the issuer to declare.

    A row over nothing, as for unused time of a free plan, declares nothing.
    """
    declared = [row for row in rows if row.base_minor or row.tax_minor] or rows
    names = {row.tax.name if row.tax.treatment is TaxTreatment.MERCHANT else "" for row in declared}
    return names.pop() if len(names) == 1 else ""


def _row(bearing: Sequence[tuple[TaxDecision, int]], currency: str) -> TaxRow:
    tax = bearing[0][0]
    reason = " ".join(dict.fromkeys([tax.note for tax, _ in bearing if tax.note]))[:REASON_CHARACTERS_MAX]
    if reason != tax.note:
        tax = replace(tax, note=reason)
    base_minor = sum([amount_minor for _, amount_minor in bearing])
    return TaxRow(tax, base_minor, tax.amount_minor(base_minor, currency))
