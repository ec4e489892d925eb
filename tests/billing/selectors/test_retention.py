"""Which invoices bear on a month, and who still needs its events."""

from datetime import date, timedelta

import pytest

from billing.selectors.retention import invoices_of_month, what_needs
from billing.services.invoicing.running import run_invoicing
from tests.billing.world import GRACE, MARCH, first_invoice, subscribe_tenant, use

pytestmark = pytest.mark.django_db


def test_a_month_is_needed_until_an_invoice_lies_behind_its_last_look() -> None:
    subscription = subscribe_tenant(as_of=MARCH.replace(day=10), backfill_days=35)
    first_invoice(subscription)
    use(subscription.tenant, 5, at=MARCH + timedelta(days=12))
    assert what_needs(date(2026, 2, 1)) == [], "it was no customer yet"
    needed = []
    for month in (4, 5, 6, 7, 8):
        run_invoicing(as_of=MARCH.replace(month=month, day=10) + GRACE)
        needed.append(bool(what_needs(date(2026, 3, 1))))
    # Until 10 April, looked at until 15 May and two days; the invoice of 10 June to 10 July is the first behind that.
    assert needed == [True, True, True, False, False]
    assert [invoice.boundary for invoice in invoices_of_month(date(2026, 3, 1))] == [1]
    assert [invoice.boundary for invoice in invoices_of_month(date(2026, 4, 1))] == [1, 2]
