"""Receipts of payments in part, over, given back and without an invoice; statements tie to the ledger."""

from datetime import date, timedelta

import pytest

from billing.ledger.selectors.statements import statement_of
from billing.models import Payment
from billing.services.documents.papers import receipt_pdf, statement_pdf
from billing.services.invoicing.allocating import allocate_payment
from billing.services.invoicing.payments import record_payment, record_unassigned_payment
from billing.services.invoicing.refunding import record_refund
from tests.billing.rendering.services.reading import texts
from tests.billing.world import MARCH, STAFF, first_invoice, subscribe_tenant

pytestmark = pytest.mark.django_db
AT = MARCH + timedelta(days=9, hours=12)


def said(payment: Payment) -> str:
    return " ".join(" ".join(texts(receipt_pdf(payment=payment, as_of=AT))).split())


def test_a_receipt_follows_what_becomes_of_the_money() -> None:
    invoice = first_invoice(subscribe_tenant())
    record_payment(
        invoice_id=invoice.pk, provider="stripe", reference="pi_1", amount_minor=2000, currency="EUR", occurred_at=AT,
        as_of=AT,
    )  # fmt: skip
    card = Payment.objects.get(reference="pi_1")
    assert f"Method Stripe Amount received 20.00 EUR Pays invoice {invoice.number} 20.00 EUR of 49.00 EUR" in said(card)

    record_unassigned_payment(
        tenant_id=invoice.tenant_id, reference="R 1", amount_minor=5000, currency="EUR", occurred_at=AT, actor=STAFF,
        as_of=AT,
    )  # fmt: skip
    transfer = Payment.objects.get(reference="R 1")
    assert "Method Bank transfer Amount received 50.00 EUR Not allocated to an invoice: it is yours 50.00 EUR" in said(
        transfer
    )
    allocate_payment(
        payment_id=transfer.pk, invoice_id=invoice.pk, amount_minor=2900, reason="Named by phone.", actor=STAFF,
        as_of=AT,
    )  # fmt: skip
    record_refund(
        payment_id=transfer.pk, amount_minor=600, way="bank_transfer", reference="R 2", reason="Too much.",
        occurred_at=AT, actor=STAFF, as_of=AT,
    )  # fmt: skip
    transfer.refresh_from_db()
    assert f"Pays invoice {invoice.number} 29.00 EUR of 49.00 EUR Given back to you 6.00 EUR" in said(transfer)
    assert "it is yours 15.00 EUR" in said(transfer)

    account = statement_of(
        tenant_id=invoice.tenant_id, currency="EUR", first=date(2026, 3, 1), end=date(2026, 4, 1)
    )  # fmt: skip
    pdf = statement_pdf(tenant=invoice.tenant, statements=[account], as_of=AT)
    told = " ".join(" ".join(texts(pdf)).split())
    assert account.closing_minor == -1500
    assert "Balance on 31 March 2026 \u221215.00 EUR" in told
    assert f"1 March 2026 Invoice {invoice.number} 49.00 49.00" in told
