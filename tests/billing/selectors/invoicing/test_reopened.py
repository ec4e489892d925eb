"""Open amounts of fees, computed from stored lines: those that name what they correct, and older ones."""

from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID

from billing.models import Invoice, InvoiceLine
from billing.selectors.invoicing.reopened import REOPENED, open_of

MARCH = datetime(2026, 3, 1, tzinfo=UTC)
FIRST, SECOND, THIRD = (Invoice(id=UUID(int=n), boundary=n, number=f"INV-{n}", currency="EUR") for n in range(3))


def line(pk: int, invoice: Invoice, kind: str, amount_minor: int, **fields: Any) -> InvoiceLine:
    facts = {"supplied_on": MARCH.date(), "explanation": {"model": kind}, "description": f"line {pk}"}
    whole = {"tax_category": "S", "tax_treatment": "standard", "period_start": MARCH, "period_end": MARCH}
    return InvoiceLine(pk=pk, invoice=invoice, kind=kind, amount_minor=amount_minor, **(facts | whole | fields))


FEE = line(1, FIRST, "recurring", 1000)
BACK = line(2, SECOND, "proration", -900, adjusts_id=1)
REST = line(3, SECOND, "proration", 500)
REST_BACK = line(4, SECOND, "proration", -300)
AGAIN = line(5, THIRD, "proration", -900, adjusts_id=2, explanation={"model": REOPENED})
KNOWN = [FEE, BACK, REST, REST_BACK]


def opened(lines: list[InvoiceLine], *gone: Invoice, unpaid: tuple[Invoice, ...] = ()) -> list[tuple[int, int]]:
    taxes = {one.pk: one.tax for one in lines}
    found = open_of(lines, "UTC", gone={one.pk for one in gone}, unpaid={one.pk for one in unpaid}, taxes=taxes)
    return [(one.line_id, one.amount_minor) for one in found]


def test_a_return_on_a_document_no_longer_in_force_is_open() -> None:
    assert opened(KNOWN) == []
    # What it gave back of its own lines went with them.
    assert opened(KNOWN, SECOND) == [(2, -900)]
    assert opened([*KNOWN, AGAIN], SECOND) == []
    assert opened([*KNOWN, AGAIN], SECOND, THIRD) == [(2, -900)]


def test_a_return_of_a_fee_that_is_no_longer_owed_is_open_the_other_way() -> None:
    assert opened(KNOWN, FIRST) == [(2, 900)]
    assert opened(KNOWN, FIRST, SECOND) == []
    assert opened(KNOWN, SECOND, unpaid=(FIRST,)) == []


def test_the_withheld_part_of_an_unpaid_fee_is_open_once_it_is_paid() -> None:
    withheld = line(2, SECOND, "proration", 0, adjusts_id=1, explanation={"model": "proration", "withheld_minor": 900})
    assert opened([FEE, withheld], unpaid=(FIRST,)) == []
    assert opened([FEE, withheld]) == [(2, -900)]


def test_of_lines_that_do_not_name_what_they_correct_the_first_returned_the_fee() -> None:
    old = [line(one.pk, one.invoice, one.kind, one.amount_minor, supplied_on=None) for one in KNOWN]
    assert opened(old, SECOND) == [(2, -900)]
    [again] = open_of(old, "UTC", gone={SECOND.pk}, unpaid=set(), taxes={one.pk: one.tax for one in old})
    assert (again.number, again.supplied_on, again.description) == ("INV-1", date(2026, 3, 1), "line 2")
    assert opened(old[1:], SECOND) == []
