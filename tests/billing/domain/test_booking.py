"""How lines are booked in the ledger of accounts: section L3 of docs/algorithms/ledger.md."""

from datetime import UTC, date, datetime
from decimal import Decimal
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.domain.booking import IssuedInvoice, LineToBook, booked_document, days_booked, parts_of
from billing.ledger.domain.accounts import FEE
from billing.ledger.domain.entries import Earned, TaxSum
from tests.algorithm_pages import rows_below


@pytest.mark.parametrize(
    ("line", "first", "last", "amount", "parts"),
    rows_below("ledger", "line", "first day", "last day", "amount", "parts"),
)
def test_the_months_of_a_line_are_as_documented(line: str, first: str, last: str, amount: str, parts: str) -> None:
    meter = "calls" if line == "usage" else ""
    found = parts_of(LineToBook(line, meter, date.fromisoformat(first), date.fromisoformat(last), int(amount)))
    assert ", ".join(f"{month:%Y-%m}: {part}" for month, part in found) == parts


@given(
    first=st.dates(date(2020, 1, 1), date(2030, 1, 1)),
    last=st.dates(date(2020, 1, 1), date(2030, 1, 1)),
    amount=st.integers(-(10**12), 10**12),
)
def test_the_parts_of_a_line_sum_to_it(first: date, last: date, amount: int) -> None:
    first, last = sorted((first, last))
    parts = parts_of(LineToBook("recurring", "", first, last, amount))
    assert sum(part for _, part in parts) == amount
    assert parts[0][0] == first.replace(day=1)
    assert parts[-1][0] == last.replace(day=1)
    assert len({month for month, _ in parts}) == len(parts)


def test_parts_of_one_meter_and_month_are_one_and_carried_credit_is_no_revenue() -> None:
    march = date(2026, 3, 1)
    lines = [
        LineToBook("usage", "calls", march, date(2026, 3, 14), 100),
        LineToBook("adjustment", "calls", march, date(2026, 3, 31), -30),
        LineToBook("recurring", "", march, date(2026, 3, 31), 50),
        LineToBook("carry", "", march, date(2026, 3, 31), -20),
    ]
    document = booked_document(number="INV-1", due_on=None, lines=lines, taxes=[], total_minor=100)
    assert document.earned == (Earned(FEE, march, 50), Earned("calls", march, 70))
    assert document.carried_minor == -20


def test_days_are_those_of_the_time_zone_and_an_empty_span_has_one() -> None:
    start, end = datetime(2026, 2, 28, 15, tzinfo=UTC), datetime(2026, 3, 31, 15, tzinfo=UTC)
    assert days_booked(start, end, "Asia/Tokyo") == (date(2026, 3, 1), date(2026, 3, 31))
    assert days_booked(start, start, "Asia/Tokyo") == (date(2026, 3, 1), date(2026, 3, 1))


@pytest.mark.parametrize(("total", "is_sound"), [(119, True), (118, False)])
def test_an_invoice_is_sound_if_its_total_is_the_sum(total: int, is_sound: bool) -> None:
    march = date(2026, 3, 1)
    lines = [LineToBook("recurring", "", march, march, 100)]
    tax = TaxSum("DE", "S", "VAT", Decimal(19), 100, 19)
    document = booked_document(number="INV-1", due_on=None, lines=lines, taxes=[tax], total_minor=total)
    now = datetime(2026, 3, 1, tzinfo=UTC)
    assert IssuedInvoice(uuid4(), uuid4(), "EUR", march, now, document).is_sound is is_sound
