"""Kept money pays the customer's next invoices, once, and no other customer's."""

import pytest

from accounts.errors import InvalidFieldsError
from accounts.models import AuditEntry
from billing.domain.statuses import InvoiceStatus
from billing.models import BillingException, Invoice, Payment
from billing.services.invoicing.allocating import keep_as_credit
from tests.billing.services.invoicing.test_allocating import overpaid
from tests.billing.services.invoicing.test_payments import NOW, pay
from tests.billing.world import STAFF, close_month, finalized_invoices, first_invoice, subscribe_tenant

pytestmark = pytest.mark.django_db


@pytest.fixture
def invoice(db: None) -> Invoice:
    """Issue an invoice over 49.00 EUR on 1 March."""
    return first_invoice(subscribe_tenant())


def test_kept_money_pays_the_next_invoices_when_they_are_finalized(invoice: Invoice) -> None:
    payment = overpaid(invoice, amount_minor=4900 + 4900 + 1000)
    kept = keep_as_credit(payment_id=payment.pk, actor=STAFF, as_of=NOW)
    assert AuditEntry.objects.get(action="payment.kept_as_credit").after["kept_minor"] == 5900
    assert not BillingException.objects.filter(resolved_at=None).exists()
    second = close_month(invoice.subscription)
    assert (second.status, second.amount_paid_minor) == (InvoiceStatus.PAID, 4900)
    third = close_month(invoice.subscription)
    assert (third.status, third.amount_paid_minor, third.amount_due_minor) == (InvoiceStatus.FINALIZED, 1000, 3900)
    content = third.document.content
    assert (content["total_minor"], content["paid_minor"], content["due_minor"]) == (4900, 1000, 3900)
    kept.refresh_from_db()
    assert kept.unallocated_minor == 0
    with pytest.raises(InvalidFieldsError, match="already assigned"):
        keep_as_credit(payment_id=payment.pk, actor=STAFF, as_of=NOW)


def test_money_with_an_open_exception_or_of_another_currency_pays_no_next_invoice(invoice: Invoice) -> None:
    overpaid(invoice)
    pay(invoice, currency="USD", reference="pi_9")
    keep_as_credit(payment_id=Payment.objects.get(reference="pi_9").pk, actor=STAFF, as_of=NOW)
    assert close_month(invoice.subscription).amount_paid_minor == 0


def test_kept_money_belongs_to_one_customer() -> None:
    first, second = finalized_invoices(2)
    keep_as_credit(payment_id=overpaid(first).pk, actor=STAFF, as_of=NOW)
    assert close_month(second.subscription).amount_paid_minor == 0
    assert close_month(first.subscription).status == InvoiceStatus.PAID
