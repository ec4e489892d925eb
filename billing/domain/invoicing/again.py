"""Lines of an invoice as they are issued again: `docs/algorithms/invoicing.md`, section R. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from billing.domain.invoicing.items import outside_scope
from billing.domain.invoicing.lines import CARRY, CREDIT_BEFORE, LineDraft
from billing.domain.tax import TaxDecision, TaxTable


def lines_again(
    lines: Sequence[LineDraft], *, taxes: TaxTable, borne: Mapping[int, TaxDecision | None]
) -> list[LineDraft]:
    """Return the lines that bear tax, in their order, with the tax that follows now.

    A line that looks back bears what the line it corrects bears, by its id in `borne`; every other one what `taxes` has
    for its day of supply, if it is not outside the scope of tax by the choice of staff.
    """
    again = []
    for line in lines:
        if line.kind != CARRY:
            assert line.supplied_on is not None, "a line that bears its tax has its day"
            tax = taxes.on(line.supplied_on) if line.adjusts_id is None else borne[line.adjusts_id]
            if tax is not None and "tax_category" in line.explanation:
                tax = outside_scope(tax.jurisdiction)
            again.append(replace(line, tax=tax))
    return again


def credit_taken(lines: Sequence[LineDraft]) -> int:
    """Return the credit that an invoice took off; below 0 if it charged what earlier ones had used too much of."""
    return -sum(line.amount_minor for line in lines if line.kind == CARRY and line.description == CREDIT_BEFORE)
