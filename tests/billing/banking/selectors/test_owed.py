"""What a transfer may pay: every invoice that is owed, in one query."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from billing.banking.domain.entries import StatedEntry
from billing.banking.selectors.owed import owed_invoices
from billing.services.invoicing.staff_actions import mark_uncollectible
from tests.billing.dunning.unpaid import OVERDUE_AT, pay
from tests.billing.world import STAFF, finalized_invoices


@pytest.mark.django_db
def test_owed_are_unpaid_and_uncollectible_invoices() -> None:
    paid, lost, owed = finalized_invoices(3)
    pay(paid, OVERDUE_AT)
    mark_uncollectible(invoice_id=lost.pk, reason="gone", actor=STAFF, as_of=OVERDUE_AT)
    with CaptureQueriesContext(connection) as queries:
        found = owed_invoices()
    assert len(queries) == 1
    told = found.suggest(StatedEntry(OVERDUE_AT.date(), 4900, "EUR"))
    assert sorted(one.number for one in told) == sorted([str(lost.number), str(owed.number)])
