"""The world of the tests of money."""

from datetime import timedelta

import pytest

from billing.domain.statuses import InvoiceStatus
from tests.billing.world import MARCH, close_month, finalized_invoices, first_invoice, subscribe_tenant, use

pytestmark = pytest.mark.django_db


def test_a_month_is_closed_with_its_usage_and_the_next_fee() -> None:
    subscription = subscribe_tenant()
    first = first_invoice(subscription)
    assert (first.status, first.number, first.total_minor) == (InvoiceStatus.FINALIZED, "INV-2026-000001", 4900)
    use(subscription.tenant, 1000, at=MARCH + timedelta(days=3), count=2)
    second = close_month(subscription)
    assert (second.number, second.subtotal_minor) == ("INV-2026-000002", 4900 + 200)
    assert len(finalized_invoices(2)) == 2
