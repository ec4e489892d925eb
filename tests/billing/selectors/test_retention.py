"""Which invoices need a month's events, and until when."""

from datetime import date, timedelta

import pytest

from billing.selectors.retention import invoices_of_month, what_needs
from billing.services.invoicing.running import run_invoicing
from tests.billing.world import GRACE, MARCH, first_invoice, subscribe_tenant, use

pytestmark = pytest.mark.django_db


def test_events_of_a_month_are_needed_until_an_invoice_is_issued_after_its_last_correction() -> None:
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
