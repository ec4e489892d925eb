"""Which documents were in force when an invoice was computed, although they were voided, credited or given up since."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from billing.models import Invoice, InvoiceLine
from billing.verification.domain.batch import ARRIVAL_MARGIN
from billing.verification.selectors.standing import Past, counted_at, standing_before

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
FIRST, SECOND = UUID(int=1), UUID(int=2)


def line(invoice_id: UUID, quantity: int, amount_minor: int, **fields: Any) -> InvoiceLine:
    return InvoiceLine(invoice_id=invoice_id, quantity=quantity, events=1, amount_minor=amount_minor, **fields)


CHARGED, GIVEN_BACK = line(FIRST, 1000, 100), line(SECOND, -400, -40)
COMPUTED = Invoice(computed_at=NOON)


def amounts(past: Past, correction: InvoiceLine | None = None, *, is_old: bool = False) -> tuple[int, int, int]:
    found = standing_before(COMPUTED, correction, [CHARGED, GIVEN_BACK], past, is_old=is_old)
    return found.amount_minor, found.forgiven_minor, found.unpaid_minor


def test_a_return_on_a_document_not_in_force_is_left_out() -> None:
    past = Past({SECOND: NOON - 2 * HOUR}, {})
    assert amounts(past) == (100, 0, 0)
    assert counted_at([CHARGED, GIVEN_BACK], past, NOON) == [CHARGED]
    # Invoices from before lines bore their tax counted it.
    assert amounts(past, is_old=True) == (60, -40, 0)
    assert amounts(Past({SECOND: NOON + 2 * HOUR}, {})) == (60, 0, 0)


def test_a_charge_on_a_void_or_unpaid_given_up_document_is_forgiven() -> None:
    assert amounts(Past({FIRST: NOON - 2 * HOUR}, {})) == (60, 100, 0)
    assert amounts(Past({}, {FIRST: [(NOON - 2 * HOUR, None)]})) == (60, 0, 100)
    assert amounts(Past({}, {FIRST: [(NOON - 2 * HOUR, NOON - HOUR)]})) == (60, 0, 0)
    assert amounts(Past({}, {FIRST: [(NOON + 2 * HOUR, None)]})) == (60, 0, 0)


def test_for_a_document_voided_at_that_moment_the_correction_decides() -> None:
    past = Past({FIRST: NOON - ARRIVAL_MARGIN / 2}, {})
    said = {"quantity": "600", "amount_minor": 60}
    assert amounts(past) == (60, 100, 0)
    assert amounts(past, line(SECOND, 1, 1, explanation={"invoiced": said})) == (60, 0, 0)
    assert amounts(past, line(SECOND, 1, 1, explanation={"invoiced": said | {"forgiven_minor": 100}})) == (60, 100, 0)
    assert amounts(past, line(SECOND, 1, 1, explanation={"invoiced": "a lie"})) == (60, 100, 0)
