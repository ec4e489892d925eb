"""Row 12 of issue 9: an October invoice that is credited in November is 100.00 in October and -100.00 in November."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from billing.ledger.selectors.months import sums_of_months
from billing.ledger.services.closing import close_months
from billing.models import Invoice
from billing.selectors.revenue import money_by_month
from billing.services.invoicing.payments import record_payment
from billing.services.invoicing.staff_actions import issue_credit_note, void_invoice
from metering.domain.periods import YearMonth
from tests.billing.world import STAFF, first_invoice, make_plan, subscribe_tenant

pytestmark = pytest.mark.django_db

OCTOBER = datetime(2026, 10, 1, tzinfo=UTC)
NOVEMBER_5 = datetime(2026, 11, 5, 12, tzinfo=UTC)
MONTHS = (date(2026, 10, 1), date(2026, 11, 1))


@pytest.fixture
def invoice() -> Invoice:
    """Issue an invoice over 100.00 for October."""
    return first_invoice(subscribe_tenant(plan=make_plan(fee="100"), as_of=OCTOBER))


def take_back(service: Any, invoice: Invoice) -> None:
    service(invoice_id=invoice.pk, reason="wrong", actor=STAFF, as_of=NOVEMBER_5)


def pay(invoice: Invoice) -> None:
    at = OCTOBER + timedelta(days=3)
    record_payment(
        invoice_id=invoice.pk, provider="stripe", reference="pi_1", amount_minor=10000, currency="EUR", occurred_at=at,
        as_of=at,
    )  # fmt: skip


def revenue() -> list[int]:
    """Return the revenue of October and November from the ledger."""
    sums = sums_of_months(first=MONTHS[0], end=date(2026, 12, 1))
    return [-sum(row.amount_minor for row in sums.get(month, ()) if row.account == "revenue") for month in MONTHS]


def shown() -> list[tuple[YearMonth, int, int]]:
    """Return what staff see on the dashboard: invoiced and credited."""
    months = money_by_month(currency="EUR", number=2, as_of=NOVEMBER_5)
    return [(month.month, month.invoiced_minor, month.credited_minor) for month in months]


@pytest.mark.parametrize("is_closed", [False, True])
@pytest.mark.parametrize(("service", "is_paid"), [(void_invoice, False), (issue_credit_note, False), (issue_credit_note, True)])  # fmt: skip # noqa: E501
def test_october_is_unchanged_and_november_bears_the_credit_note(
    invoice: Invoice, service: Any, is_paid: bool, is_closed: bool
) -> None:
    if is_paid:
        pay(invoice)
    if is_closed:
        close_months(month=MONTHS[0], today=NOVEMBER_5.date(), actor=STAFF, as_of=NOVEMBER_5)
    take_back(service, invoice)
    assert revenue() == [10000, -10000]
    assert shown() == [(YearMonth(2026, 10), 10000, 0), (YearMonth(2026, 11), 0, 10000)]


def test_an_event_of_a_closed_month_is_posted_in_the_open_month(invoice: Invoice) -> None:
    close_months(month=MONTHS[0], today=NOVEMBER_5.date(), actor=STAFF, as_of=NOVEMBER_5)
    before = sums_of_months(first=MONTHS[0], end=MONTHS[1])
    pay(invoice)  # of 4 October
    assert sums_of_months(first=MONTHS[0], end=MONTHS[1]) == before
    [_, november] = money_by_month(currency="EUR", number=2, as_of=NOVEMBER_5)
    assert november.paid_minor == 10000
