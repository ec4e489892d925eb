"""Comparing two sides of books: what differs is told once, and what is under way or too old is not asked about."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from billing.collection.domain.comparing import (
    ACTS,
    ComparedSpan,
    FindingCode,
    OurBooks,
    OurInvoice,
    OurPayment,
    differences,
    to_look_up,
)
from billing.collection.domain.provider import ClaimState, ProviderStatement, ReportedClaim

NOW = datetime(2026, 3, 10, 12, tzinfo=UTC)
SPAN = ComparedSpan(NOW - timedelta(days=45), NOW - timedelta(hours=1))
TENANT, INVOICE = UUID(int=1), UUID(int=2)
EARLIER = NOW - timedelta(days=1)
CLAIM = ReportedClaim("in_1", "cus_1", INVOICE, ClaimState.PAID, 4900, "EUR", EARLIER, charges=1, fee_minor=100)
PAYMENT = OurPayment("in_1", TENANT, INVOICE, 4900, "EUR", EARLIER, 4900)
OWED = OurInvoice(INVOICE, TENANT, "INV-1", "finalized", 4900, "EUR", "in_1")
OPEN = replace(CLAIM, state=ClaimState.OPEN, charges=0, fee_minor=None)


def books(*payments: OurPayment, invoice: OurInvoice | None = None) -> OurBooks:
    invoices = {} if invoice is None else {invoice.invoice_id: invoice}
    return OurBooks({one.reference: one for one in payments}, invoices, {}, {}, {"cus_1": TENANT})


def codes(ours: OurBooks, *claims: ReportedClaim) -> list[FindingCode]:
    return [one.code for one in differences(ours, ProviderStatement(claims), SPAN)]


def test_equal_sides_have_no_difference() -> None:
    assert codes(books(PAYMENT), CLAIM) == []
    assert codes(books(invoice=OWED), OPEN) == []


@pytest.mark.parametrize(
    ("ours", "claim", "code"),
    [
        (books(), CLAIM, FindingCode.MISSING_HERE),
        (books(replace(PAYMENT, amount_minor=1, posted_minor=1)), CLAIM, FindingCode.AMOUNT),
        (books(replace(PAYMENT, currency="USD")), CLAIM, FindingCode.CURRENCY),
        (books(PAYMENT), OPEN, FindingCode.STATE),
        (books(PAYMENT), replace(CLAIM, charges=2), FindingCode.TWICE),
        (books(PAYMENT), replace(CLAIM, fee_minor=591), FindingCode.FEE),
        (books(replace(PAYMENT, posted_minor=None)), CLAIM, FindingCode.LEDGER),
        (books(invoice=replace(OWED, due_minor=0, status="void")), OPEN, FindingCode.STATE),
        (books(invoice=OWED), replace(OPEN, state=ClaimState.VOID), FindingCode.STATE),
        (books(invoice=replace(OWED, due_minor=1)), OPEN, FindingCode.AMOUNT),
        (books(invoice=replace(OWED, reference="in_2")), replace(OPEN, reference="in_3"), FindingCode.MISSING_HERE),
    ],
)
def test_each_difference_has_its_code(ours: OurBooks, claim: ReportedClaim, code: FindingCode) -> None:
    assert codes(ours, claim)[0] is code


def test_a_fee_up_to_what_is_expected_is_none() -> None:
    assert codes(books(PAYMENT), replace(CLAIM, fee_minor=590)) == []


def test_the_rest_of_an_invoice_paid_in_part_is_no_second_one() -> None:
    part = replace(PAYMENT, reference="in_0", amount_minor=900, posted_minor=900)
    paid = replace(CLAIM, reference="in_0", amount_minor=900)
    rest = replace(OPEN, amount_minor=4000)
    assert codes(books(part, invoice=replace(OWED, due_minor=4000)), paid, rest) == []
    assert FindingCode.TWICE in codes(books(part, invoice=replace(OWED, due_minor=4000)), paid, rest, OPEN)


def test_what_is_under_way_is_not_asked_about_and_what_is_not_listed_is_looked_up() -> None:
    just_now = replace(PAYMENT, happened_at=NOW)
    assert codes(books(just_now)) == []
    assert codes(books(), replace(CLAIM, happened_at=NOW)) == []
    assert to_look_up(books(just_now), [], SPAN) == []
    assert to_look_up(books(PAYMENT, invoice=replace(OWED, reference="in_9")), [], SPAN) == ["in_1", "in_9"]
    assert to_look_up(books(PAYMENT), [CLAIM], SPAN) == []
    assert codes(books(PAYMENT, invoice=replace(OWED, reference="in_9"))) == [FindingCode.MISSING_THERE] * 2


def test_each_code_has_an_act() -> None:
    assert set(ACTS) == set(FindingCode)
