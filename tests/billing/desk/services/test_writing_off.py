"""What stays unpaid is written off; what comes in after all takes as much of it back."""

from datetime import timedelta
from uuid import uuid4

import pytest

from accounts.errors import InvalidFieldsError, NotFoundError
from accounts.models import AuditEntry
from billing.desk.models import WriteOff
from billing.desk.services.writing_off import write_off_invoice
from billing.domain.statuses import InvoiceStatus
from billing.errors import InvoiceStatusError
from billing.models import Invoice, Payment
from billing.services.invoicing.allocating import take_back_allocation
from billing.services.invoicing.payments import record_payment
from billing.services.invoicing.staff_actions import issue_credit_note, mark_uncollectible, void_invoice
from billing.services.subscriptions.standing import refresh_standing
from billing.verification.selectors.ledger import untied_books, untied_documents
from tests.billing.ledger.books import balances
from tests.billing.world import MARCH, STAFF, finalized_invoices

pytestmark = pytest.mark.django_db

MAY = MARCH + timedelta(days=70)


def write_off(invoice: Invoice) -> WriteOff:
    done = write_off_invoice(invoice_id=invoice.pk, reason="bankrupt", actor=STAFF, as_of=MAY)
    assert isinstance(done, WriteOff)
    return done


def pay(invoice: Invoice, amount_minor: int, reference: str = "pi_1") -> Invoice:
    return record_payment(
        invoice_id=invoice.pk, provider="stripe", reference=reference, amount_minor=amount_minor, currency="EUR",
        occurred_at=MAY, as_of=MAY,
    )  # fmt: skip


def ties() -> bool:
    return not untied_books() and not untied_documents([one.pk for one in Invoice.objects.all()])


def test_an_overdue_invoice_is_written_off_and_makes_nobody_past_due() -> None:
    [invoice] = finalized_invoices(1)
    refresh_standing(subscription_id=invoice.subscription_id, as_of=MAY)
    row = write_off(invoice)
    invoice.refresh_from_db()
    assert (row.amount_minor, row.created_by, row.approval_id) == (4900, "staff", None)
    assert (invoice.status, invoice.uncollectible_at, invoice.subscription.status) == ("uncollectible", MAY, "active")
    entry = AuditEntry.objects.get(action="invoice.written_off")
    assert (entry.after["written_off_minor"], entry.after["reason"]) == (4900, "bankrupt")
    assert balances() == {"revenue": -4900, "write_off": 4900}
    assert ties()
    with pytest.raises(InvoiceStatusError, match="already written off"):
        write_off(invoice)


def test_what_comes_in_after_all_takes_as_much_back() -> None:
    [invoice] = finalized_invoices(1)
    write_off(invoice)
    assert pay(invoice, 2000).status == InvoiceStatus.UNCOLLECTIBLE
    assert balances() == {"clearing": 2000, "revenue": -4900, "write_off": 2900}
    assert pay(invoice, 2900, "pi_2").status == InvoiceStatus.PAID
    assert balances() == {"clearing": 4900, "revenue": -4900}
    assert ties()


def test_money_that_is_taken_back_may_be_written_off_again() -> None:
    [invoice] = finalized_invoices(1)
    pay(invoice, 2000)
    write_off(invoice)
    payment = Payment.objects.get()
    take_back_allocation(payment_id=payment.pk, invoice_id=invoice.pk, reason="another's", actor=STAFF, as_of=MAY)
    assert balances() == {"clearing": 2000, "receivable": 2000, "revenue": -4900, "unallocated": -2000, "write_off": 2900}  # fmt: skip # noqa: E501
    assert write_off(invoice).amount_minor == 2000
    assert ties()


def test_an_invoice_that_was_given_up_is_owed_until_it_is_written_off() -> None:
    kept, voided, credited = finalized_invoices(3)
    for invoice in (kept, voided, credited):
        mark_uncollectible(invoice_id=invoice.pk, reason="gone", actor=STAFF, as_of=MARCH)
    assert balances()["receivable"] == 3 * 4900
    for invoice in (kept, voided, credited):
        write_off(invoice)
    void_invoice(invoice_id=voided.pk, reason="wrong", actor=STAFF, as_of=MAY)
    issue_credit_note(invoice_id=credited.pk, reason="wrong", actor=STAFF, as_of=MAY)
    assert balances() == {"revenue": -4900, "write_off": 4900}
    assert ties()
    with pytest.raises(InvoiceStatusError, match="void"):
        write_off(voided)


def test_what_cannot_be_is_refused() -> None:
    [invoice] = finalized_invoices(1)
    facts = {"invoice_id": invoice.pk, "reason": "gone", "actor": STAFF, "as_of": MAY}
    with pytest.raises(InvoiceStatusError, match="not overdue"):
        write_off_invoice(**(facts | {"as_of": MARCH}))
    with pytest.raises(InvalidFieldsError):
        write_off_invoice(**(facts | {"reason": ""}))
    with pytest.raises(NotFoundError):
        write_off_invoice(**(facts | {"invoice_id": uuid4()}))
    pay(invoice, 4900)
    with pytest.raises(InvoiceStatusError, match="paid"):
        write_off(invoice)
