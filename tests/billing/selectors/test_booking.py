"""Documents read from their rows have the ledger events that were posted when they were issued."""

import pytest

from billing.ledger.domain.accounts import EntryKind
from billing.ledger.domain.entries import finalized
from billing.models import Invoice, TaxRate
from billing.selectors.booking import issued_invoices
from tests.billing.ledger.books import posted, rows_of
from tests.billing.world import MARCH, close_month, first_invoice, set_issuer, subscribe_tenant, use

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    ("tenant", "tax"),
    [
        ({"country": "DE"}, "DE S VAT 19 of"),
        ({"country": "FR", "tax_id": "FR40303265045"}, "FR AE Tax 0 of"),
        ({"country": "US"}, "US O Tax 0 of"),
    ],
)
def test_stored_documents_have_the_events_posted_when_they_were_finalized(tenant: dict[str, str], tax: str) -> None:
    set_issuer(country="DE")
    TaxRate.objects.create(country="DE", percent=19)
    subscription = subscribe_tenant(**tenant)
    first_invoice(subscription)
    use(subscription.tenant, 5000, at=MARCH)
    close_month(subscription)
    issued = issued_invoices(list(Invoice.objects.order_by("boundary")))
    assert [invoice.is_sound for invoice in issued] == [True, True]
    again = [movement for invoice in issued for movement in finalized(invoice.document)]
    assert rows_of(again) == posted(EntryKind.INVOICE)
    assert any(of.startswith(tax) for _, of, _ in rows_of(again))
