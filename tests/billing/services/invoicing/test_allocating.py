"""A payment pays what staff choose, is unallocated when they decide so, and is never spent twice."""

from datetime import timedelta
from uuid import uuid4

import pytest
from django.db import transaction
from django.db.models import F

from accounts.errors import InvalidFieldsError, NotFoundError
from accounts.models import AuditEntry
from accounts.notices.models import OutboxEvent
from billing.domain.statuses import InvoiceStatus, SubscriptionStatus
from billing.errors import InvoiceStatusError
from billing.models import BillingException, CreditNote, Invoice, Payment, PaymentAllocation
from billing.services.invoicing.allocating import allocate_payment, take_back_allocation
from billing.services.invoicing.payments import record_payment
from billing.services.invoicing.staff_actions import issue_credit_note, void_invoice
from tests.billing.services.invoicing.test_payments import NOW, fail, pay, standing, transfer
from tests.billing.world import STAFF, close_month, first_invoice, make_plan, subscribe_tenant
from tests.races import both_at_once

pytestmark = pytest.mark.django_db


@pytest.fixture
def invoice(db: None) -> Invoice:
    """Issue an invoice over 49.00 EUR on 1 March."""
    return first_invoice(subscribe_tenant())


def allocate(payment: Payment, invoice: Invoice, amount_minor: int) -> Invoice:
    return allocate_payment(
        payment_id=payment.pk,
        invoice_id=invoice.pk,
        amount_minor=amount_minor,
        reason="as the customer says",
        actor=STAFF,
        as_of=NOW,
    )


def take_back(payment: Payment, invoice: Invoice) -> Payment:
    return take_back_allocation(
        payment_id=payment.pk, invoice_id=invoice.pk, reason="another customer's", actor=STAFF, as_of=NOW
    )


def overpaid(invoice: Invoice, *, amount_minor: int = 10_000) -> Payment:
    transfer(invoice, amount_minor=amount_minor)
    return Payment.objects.get()


def test_the_rest_of_a_payment_pays_another_invoice_of_the_customer(invoice: Invoice) -> None:
    payment = overpaid(invoice)
    following = close_month(invoice.subscription)
    assert allocate(payment, following, 1000).amount_due_minor == 3900
    assert BillingException.objects.get(resolved_at=None).amount_minor == 4100
    assert allocate(payment, following, 3900).status == InvoiceStatus.PAID
    payment.refresh_from_db()
    assert (payment.allocated_minor, payment.unallocated_minor) == (9800, 200)
    assert [row.amount_minor for row in PaymentAllocation.objects.order_by("pk")] == [4900, 1000, 3900]
    assert OutboxEvent.objects.filter(type="invoice.paid").count() == 2


def test_a_spent_payment_is_off_the_list(invoice: Invoice) -> None:
    payment = overpaid(invoice, amount_minor=5900)
    allocate(payment, close_month(invoice.subscription), 1000)
    exception = BillingException.objects.get()
    assert (exception.resolved_at, exception.resolution) == (NOW, "All of it is allocated or refunded.")


def test_no_more_is_allocated_than_is_left_or_due_and_only_within_a_customer(invoice: Invoice) -> None:
    payment = overpaid(invoice, amount_minor=5000)
    following = close_month(invoice.subscription)
    for amount_minor, sentence in ((101, r"1\.00.EUR are left"), (0, "More than nothing"), (-1, "More than nothing")):
        with pytest.raises(InvalidFieldsError, match=sentence):
            allocate(payment, following, amount_minor)
    with pytest.raises(InvoiceStatusError, match="is paid"):
        allocate(payment, invoice, 1)
    other = first_invoice(subscribe_tenant("other", plan=invoice.subscription.plan_version))
    with pytest.raises(NotFoundError, match="no such invoice"):
        allocate(payment, other, 1)
    with pytest.raises(NotFoundError, match="no such payment"):
        allocate(Payment(pk=payment.pk + 1), following, 1)
    fail(following)
    with pytest.raises(NotFoundError, match="no such payment"):
        allocate(Payment.objects.get(status="failed"), following, 1)
    pay(invoice, reference="pi_2", amount_minor=9000)
    with pytest.raises(InvalidFieldsError, match=r"49\.00.EUR are due"):
        allocate(Payment.objects.get(reference="pi_2"), following, 4901)


def test_money_of_another_currency_pays_no_invoice(invoice: Invoice) -> None:
    pay(invoice, currency="USD")
    with pytest.raises(InvalidFieldsError, match="USD were paid"):
        allocate(Payment.objects.get(), invoice, 1)


def test_money_that_was_another_customers_is_taken_back_and_the_invoice_is_owed_again(invoice: Invoice) -> None:
    fail(invoice)
    payment = Payment.objects.get(reference=pay(invoice) and "pi_1")
    later = NOW + timedelta(days=60)
    back = take_back_allocation(
        payment_id=payment.pk, invoice_id=invoice.pk, reason="another customer's", actor=STAFF, as_of=later
    )
    invoice.refresh_from_db()
    assert (invoice.status, invoice.paid_at, invoice.amount_due_minor) == (InvoiceStatus.FINALIZED, None, 4900)
    assert back.pk == payment.pk
    assert standing(invoice) == SubscriptionStatus.PAST_DUE
    given, reversal = PaymentAllocation.objects.order_by("pk")
    assert (reversal.reverses, reversal.amount_minor, reversal.reason) == (given, -4900, "another customer's")
    assert AuditEntry.objects.get(action="invoice.unpaid_again").after["status"] == "finalized"
    assert BillingException.objects.get().amount_minor == 4900
    with pytest.raises(NotFoundError, match="pays nothing"):
        take_back(payment, invoice)
    assert pay(invoice, reference="pi_2").status == InvoiceStatus.PAID


def test_a_part_of_an_allocation_is_taken_back_too(invoice: Invoice) -> None:
    pay(invoice, amount_minor=100)
    take_back(Payment.objects.get(), invoice)
    invoice.refresh_from_db()
    assert (invoice.status, invoice.amount_due_minor) == (InvoiceStatus.FINALIZED, 4900)


def test_an_invoice_that_is_paid_in_part_is_not_voided_but_credited(invoice: Invoice) -> None:
    transfer(invoice, amount_minor=100)
    with pytest.raises(InvoiceStatusError, match="Part of the invoice is paid"):
        void_invoice(invoice_id=invoice.pk, reason="x", actor=STAFF, as_of=NOW)
    note = issue_credit_note(invoice_id=invoice.pk, reason="x", actor=STAFF, as_of=NOW)
    invoice.refresh_from_db()
    assert (invoice.status, invoice.amount_paid_minor, invoice.credited_minor) == (InvoiceStatus.VOID, 0, 4900)
    assert invoice.amount_due_minor == 0
    assert f"Credited by {note.number}" in BillingException.objects.get().detail


def test_the_payment_of_a_credited_invoice_is_the_customers(invoice: Invoice) -> None:
    payment = overpaid(invoice, amount_minor=4900)
    issue_credit_note(invoice_id=invoice.pk, reason="x", actor=STAFF, as_of=NOW)
    invoice.refresh_from_db()
    payment.refresh_from_db()
    assert (invoice.status, invoice.amount_paid_minor, invoice.credited_minor) == (InvoiceStatus.PAID, 0, 4900)
    assert payment.unallocated_minor == 4900


@pytest.mark.django_db(transaction=True)
def test_of_two_who_spend_the_same_payment_at_once_one_is_refused() -> None:
    plan = make_plan()
    invoice = first_invoice(subscribe_tenant(plan=plan))
    payment = overpaid(invoice, amount_minor=4900 + 4900)
    following = [close_month(invoice.subscription), close_month(invoice.subscription)]
    ends = both_at_once(*[lambda row=row: allocate(payment, row, 4900) for row in following])  # type: ignore[misc]
    assert ends == ["InvalidFieldsError", "Invoice"]
    payment.refresh_from_db()
    assert payment.unallocated_minor == 0
    assert sorted(Invoice.objects.filter(pk__in=[row.pk for row in following]).values_list("status", flat=True)) == [
        "finalized",
        "paid",
    ]


@pytest.mark.django_db(transaction=True)
def test_control_without_the_lock_two_spend_the_same_payment() -> None:
    # The control: two that read the rest without a lock, and add rows alone, spend it twice.
    invoice = first_invoice(subscribe_tenant())
    payment = overpaid(invoice, amount_minor=5000)

    def careless() -> object:
        with transaction.atomic():
            seen = Payment.objects.get(pk=payment.pk)
            assert seen.unallocated_minor == 100
            return PaymentAllocation.objects.create(
                tenant_id=seen.tenant_id,
                payment=seen,
                invoice=invoice,
                amount_minor=100,
                created_at=NOW,
                created_by="x",
            )

    assert both_at_once(careless, careless) == ["PaymentAllocation"] * 2
    rows = PaymentAllocation.objects.filter(payment=payment).values_list("amount_minor", flat=True)
    assert sum(rows) > payment.amount_minor


def test_allocations_and_sums_agree(invoice: Invoice) -> None:
    overpaid(invoice)
    issue_credit_note(invoice_id=invoice.pk, reason="x", actor=STAFF, as_of=NOW)
    for payment in Payment.objects.all():
        assert sum(row.amount_minor for row in payment.allocations.all()) == payment.allocated_minor
    assert CreditNote.objects.filter(total_minor=F("invoice__credited_minor")).count() == 1


def test_an_unknown_invoice_takes_no_payment(invoice: Invoice) -> None:
    with pytest.raises(NotFoundError):
        allocate(overpaid(invoice), Invoice(pk=uuid4()), 1)


def test_an_invoice_that_is_paid_again_is_told_again(invoice: Invoice) -> None:
    # Two transfers of one day, the first of which was another customer's: each time that it became paid is told once.
    transfer(invoice, amount_minor=4_900)
    take_back(Payment.objects.get(), invoice)
    again = NOW + timedelta(hours=1)
    record_payment(
        invoice_id=invoice.pk, provider="transfer", reference="SEPA 2", amount_minor=4_900, currency="EUR",
        occurred_at=NOW, as_of=again,
    )  # fmt: skip
    told = OutboxEvent.objects.filter(type="invoice.paid").order_by("occurred_at")
    assert [(event.occurred_at, event.payload["amount_due_minor"]) for event in told] == [(NOW, 0), (again, 0)]
    assert len({event.pk for event in told}) == 2
