"""What of an invoice is written off is what the ledger has of it."""

from datetime import timedelta

import pytest

from billing.desk.services.writing_off import write_off_invoice
from billing.models import Invoice
from billing.selectors.write_offs import unwritten_minor, written_off_minor
from billing.services.invoicing.payments import record_payment
from tests.billing.world import MARCH, STAFF, first_invoice, subscribe_tenant

MAY = MARCH + timedelta(days=70)


@pytest.mark.django_db
def test_a_payment_takes_some_of_it_back() -> None:
    invoice = first_invoice(subscribe_tenant())
    assert (written_off_minor(invoice), unwritten_minor(invoice)) == (0, 4900)
    write_off_invoice(invoice_id=invoice.pk, reason="gone", actor=STAFF, as_of=MAY)
    record_payment(
        invoice_id=invoice.pk, provider="stripe", reference="pi_1", amount_minor=900, currency="EUR",
        occurred_at=MAY, as_of=MAY,
    )  # fmt: skip
    invoice = Invoice.objects.get()
    assert (written_off_minor(invoice), unwritten_minor(invoice)) == (4000, 0)
