"""Payments are recorded once, in any order, and no money is dropped."""

from datetime import UTC, datetime, timedelta
from threading import Barrier
from uuid import uuid4

import pytest
from django.db import IntegrityError, transaction

from accounts.errors import ConflictError, InvalidFieldsError, NotFoundError
from accounts.models import AuditEntry
from accounts.notices.models import OutboxEvent
from billing.domain.statuses import InvoiceStatus, SubscriptionStatus
from billing.errors import InvoiceStatusError
from billing.models import BillingException, Invoice, Payment, PaymentStatus
from billing.services.invoicing.exceptions import resolve_exception
from billing.services.invoicing.payments import (
    record_failed_payment,
    record_manual_payment,
    record_payment,
    record_unassigned_payment,
)
from billing.services.invoicing.staff_actions import mark_uncollectible, void_invoice
from tests.billing.world import (
    STAFF,
    close_month,
    finalized_invoices,
    first_invoice,
    latest_invoice,
    subscribe_tenant,
)
from tests.metering.ledger_world import make_tenant
from tests.races import both_at_once

PAID_AT = datetime(2026, 3, 2, 8, tzinfo=UTC)
NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)


@pytest.fixture
def invoice(db: None) -> Invoice:
    """Issue an invoice over 49.00 EUR on 1 March."""
    return first_invoice(subscribe_tenant())


def pay(invoice: Invoice, *, reference: str = "pi_1", amount_minor: int = 4900, currency: str = "EUR") -> Invoice:
    return record_payment(
        invoice_id=invoice.pk,
        provider="stripe",
        reference=reference,
        amount_minor=amount_minor,
        currency=currency,
        occurred_at=PAID_AT,
        as_of=NOW,
    )


def fail(
    invoice: Invoice, *, reference: str = "pi_0", occurred_at: datetime = PAID_AT, error: str = "declined"
) -> Invoice:
    return record_failed_payment(
        invoice_id=invoice.pk,
        provider="stripe",
        reference=reference,
        amount_minor=4900,
        currency="EUR",
        error=error,
        occurred_at=occurred_at,
        as_of=NOW,
    )


def transfer(
    invoice: Invoice, *, reference: str = "statement 7", amount_minor: int = 4900, currency: str = "EUR"
) -> Invoice:
    return record_manual_payment(
        invoice_id=invoice.pk,
        reference=reference,
        amount_minor=amount_minor,
        currency=currency,
        occurred_at=PAID_AT,
        actor=STAFF,
        as_of=NOW,
    )


def standing(invoice: Invoice) -> str:
    invoice.subscription.refresh_from_db()
    return invoice.subscription.status


def test_a_payment_settles_its_invoice_once(invoice: Invoice) -> None:
    for _ in range(3):
        paid = pay(invoice)
    assert (paid.status, paid.paid_at) == (InvoiceStatus.PAID, PAID_AT)
    payment = Payment.objects.get()
    assert (payment.status, payment.amount_minor, payment.currency) == (PaymentStatus.SUCCEEDED, 4900, "EUR")
    assert OutboxEvent.objects.get(type="invoice.paid").payload["number"] == invoice.number
    assert AuditEntry.objects.get(action="invoice.paid").after["reference"] == "pi_1"
    assert not BillingException.objects.exists()


def test_a_smaller_payment_pays_a_part(invoice: Invoice) -> None:
    for _ in range(2):
        partly = pay(invoice, amount_minor=4000)
    assert (partly.status, partly.amount_paid_minor, partly.amount_due_minor) == (InvoiceStatus.FINALIZED, 4000, 900)
    assert AuditEntry.objects.get(action="invoice.partly_paid").after["amount_paid_minor"] == 4000
    assert not OutboxEvent.objects.filter(type="invoice.paid").exists()
    assert not BillingException.objects.exists()
    paid = pay(invoice, reference="pi_2", amount_minor=900)
    assert (paid.status, paid.amount_due_minor, paid.paid_at) == (InvoiceStatus.PAID, 0, PAID_AT)
    told = OutboxEvent.objects.get(type="invoice.paid").payload
    assert (told["amount_paid_minor"], told["amount_due_minor"]) == (4900, 0)


def test_a_larger_payment_pays_the_invoice_and_the_rest_is_the_customers(invoice: Invoice) -> None:
    for _ in range(2):
        assert pay(invoice, amount_minor=5000).status == InvoiceStatus.PAID
    payment = Payment.objects.get()
    assert (payment.allocated_minor, payment.unallocated_minor) == (4900, 100)
    exception = BillingException.objects.get()
    assert (exception.payment, exception.amount_minor) == (payment, 100)
    assert f"49.00\N{NO-BREAK SPACE}EUR were due on {invoice.number}" in exception.detail
    assert "has 1.00\N{NO-BREAK SPACE}EUR left" in exception.detail


def test_a_payment_in_another_currency_pays_nothing_and_is_recorded(invoice: Invoice) -> None:
    for _ in range(2):
        assert pay(invoice, currency="USD").status == InvoiceStatus.FINALIZED
    payment = Payment.objects.get()
    assert (payment.status, payment.unallocated_minor, payment.currency) == (PaymentStatus.UNMATCHED, 4900, "USD")
    exception = BillingException.objects.get()
    assert exception.payment == payment
    assert f"49.00\N{NO-BREAK SPACE}EUR are due on {invoice.number}" in exception.detail
    assert not OutboxEvent.objects.filter(type="invoice.paid").exists()


def test_a_payment_of_zero_is_kept_without_an_exception(invoice: Invoice) -> None:
    assert pay(invoice, amount_minor=0).status == InvoiceStatus.FINALIZED
    assert Payment.objects.get().unallocated_minor == 0
    assert not BillingException.objects.exists()


def test_a_payment_of_a_void_invoice_becomes_an_exception(invoice: Invoice) -> None:
    void_invoice(invoice_id=invoice.pk, reason="typing error", actor=STAFF, as_of=NOW)
    assert pay(invoice).status == InvoiceStatus.VOID
    assert Payment.objects.get().status == PaymentStatus.UNMATCHED
    assert "is void" in BillingException.objects.get().detail


def test_an_invoice_that_was_paid_twice_has_both_payments(invoice: Invoice) -> None:
    transfer(invoice)
    assert pay(invoice).status == InvoiceStatus.PAID
    assert set(Payment.objects.values_list("status", flat=True)) == {PaymentStatus.SUCCEEDED, PaymentStatus.UNMATCHED}
    assert BillingException.objects.get().payment.reference == "pi_1"  # type: ignore[union-attr]
    assert pay(invoice).status == InvoiceStatus.PAID
    assert Payment.objects.count() == 2


def test_an_unmatched_payment_does_not_delay_the_next_invoice_and_is_resolved_by_its_outcome(
    invoice: Invoice,
) -> None:
    pay(invoice, currency="USD", amount_minor=1)
    pay(invoice, currency="USD", amount_minor=2, reference="pi_2")
    assert BillingException.objects.count() == 2
    close_month(invoice.subscription)
    assert latest_invoice(invoice.subscription).boundary == 1
    for exception in BillingException.objects.select_related("payment"):
        with pytest.raises(ConflictError, match="still unassigned"):
            resolve_exception(exception=exception, resolution="refunded", actor=STAFF, as_of=NOW)


def test_a_payment_without_an_invoice_becomes_an_exception(invoice: Invoice) -> None:
    given = {
        "tenant_id": invoice.tenant_id,
        "reference": "statement 8",
        "amount_minor": 700,
        "currency": "EUR",
        "occurred_at": PAID_AT,
        "actor": STAFF,
        "as_of": NOW,
    }
    payment = record_unassigned_payment(**given)
    assert (payment.invoice, payment.unallocated_minor) == (None, 700)
    exception = BillingException.objects.get()
    assert (exception.payment, exception.subscription) == (payment, invoice.subscription)
    assert AuditEntry.objects.get(action="payment.recorded").after["amount_minor"] == 700
    with pytest.raises(ConflictError, match=r"on record|already recorded"):
        record_unassigned_payment(**given)
    with pytest.raises(InvalidFieldsError, match="More than nothing"):
        record_unassigned_payment(**(given | {"reference": "9", "amount_minor": 0}))
    stranger = make_tenant("stranger")
    with pytest.raises(InvalidFieldsError, match="never had a subscription"):
        record_unassigned_payment(**(given | {"reference": "9", "tenant_id": stranger.pk}))


def test_one_payment_does_not_pay_two_invoices(db: None) -> None:
    first, second = finalized_invoices(2)
    pay(first)
    with pytest.raises(ConflictError, match="another invoice"):
        pay(second)


def test_an_uncollectible_invoice_can_still_be_paid(invoice: Invoice) -> None:
    mark_uncollectible(invoice_id=invoice.pk, reason="bankrupt", actor=STAFF, as_of=NOW)
    assert pay(invoice).status == InvoiceStatus.PAID


def test_a_failure_makes_the_subscription_past_due_until_it_is_paid(invoice: Invoice) -> None:
    for _ in range(2):
        failed = fail(invoice)
    assert (failed.status, failed.payment_failed_at, failed.payment_error) == (
        InvoiceStatus.FINALIZED,
        PAID_AT,
        "declined",
    )
    assert standing(invoice) == SubscriptionStatus.PAST_DUE
    assert OutboxEvent.objects.filter(type="invoice.payment_failed").count() == 1
    paid = pay(invoice)
    assert (paid.payment_failed_at, paid.payment_error) == (None, "")
    assert standing(invoice) == SubscriptionStatus.ACTIVE


def test_a_failure_reported_late_changes_no_paid_invoice(invoice: Invoice) -> None:
    pay(invoice)
    assert fail(invoice).status == InvoiceStatus.PAID
    assert standing(invoice) == SubscriptionStatus.ACTIVE
    assert Payment.objects.count() == 2


def test_of_two_failures_the_invoice_shows_the_later_one_in_any_order_of_reports(invoice: Invoice) -> None:
    fail(invoice, reference="second", occurred_at=PAID_AT, error="no funds")
    shown = fail(invoice, reference="first", occurred_at=PAID_AT - timedelta(hours=1), error="declined " * 100)
    assert shown.payment_error == "no funds"
    assert Payment.objects.filter(status=PaymentStatus.FAILED).count() == 2


def test_a_transfer_recorded_by_staff_settles_the_invoice_in_their_name(invoice: Invoice) -> None:
    assert transfer(invoice).status == InvoiceStatus.PAID
    entry = AuditEntry.objects.get(action="invoice.paid")
    assert (entry.actor_label, entry.before["status"], entry.after["status"]) == ("staff", "finalized", "paid")
    with pytest.raises(ConflictError, match=r"on record|already recorded"):
        transfer(invoice)
    with pytest.raises(InvoiceStatusError, match="is paid"):
        transfer(invoice, reference="statement 8")


def test_a_transfer_that_does_not_fit_is_refused_with_what_is_due(invoice: Invoice) -> None:
    with pytest.raises(InvalidFieldsError, match=r"48\.00.USD were paid, 49\.00.EUR are due"):
        transfer(invoice, amount_minor=4800, currency="USD")
    with pytest.raises(InvalidFieldsError, match="printable"):
        transfer(invoice, reference=" ")
    with pytest.raises(InvalidFieldsError, match="not happened"):
        record_manual_payment(
            invoice_id=invoice.pk,
            reference="x",
            amount_minor=4900,
            currency="EUR",
            occurred_at=NOW + timedelta(days=1),
            actor=STAFF,
            as_of=NOW,
        )
    assert not Payment.objects.exists()


def test_an_unknown_invoice_cannot_be_paid(db: None) -> None:
    with pytest.raises(NotFoundError):
        pay(Invoice(pk=uuid4()))


def test_a_payment_leaves_an_active_subscription_unchanged(invoice: Invoice) -> None:
    before = invoice.subscription.version
    pay(invoice)
    invoice.subscription.refresh_from_db()
    assert invoice.subscription.version == before


def test_constraints_of_payments(invoice: Invoice) -> None:
    pay(invoice)
    fields = {
        "tenant_id": invoice.tenant_id,
        "invoice": invoice,
        "provider": "stripe",
        "currency": "EUR",
        "occurred_at": NOW,
        "created_at": NOW,
    }
    Payment.objects.create(**fields, reference="pi_0", status="failed", amount_minor=1)
    for name, changes in {
        "payment_once": {"reference": "pi_0", "status": "failed", "amount_minor": 1},
        "payment_status_known": {"reference": "pi_3", "status": "perhaps", "amount_minor": 1},
        "payment_not_negative": {"reference": "pi_4", "status": "failed", "amount_minor": -1},
    }.items():
        with pytest.raises(IntegrityError, match=name), transaction.atomic():
            Payment.objects.create(**fields, **changes)


def test_one_exception_of_a_kind_is_open_at_a_time_unless_it_is_about_a_payment(invoice: Invoice) -> None:
    fields = {"subscription": invoice.subscription, "detail": "", "occurred_at": NOW, "code": "negative_usage"}
    BillingException.objects.create(**fields)
    with pytest.raises(IntegrityError, match="billing_exception_open_once"), transaction.atomic():
        BillingException.objects.create(**fields)


@pytest.mark.django_db(transaction=True)
def test_a_payment_reported_eight_times_at_once_is_stored_once() -> None:
    invoice = first_invoice(subscribe_tenant())
    assert both_at_once(*[lambda: pay(invoice)] * 8) == ["Invoice"] * 8
    assert Payment.objects.get().status == PaymentStatus.SUCCEEDED
    assert OutboxEvent.objects.filter(type="invoice.paid").count() == 1


@pytest.mark.django_db(transaction=True)
def test_of_two_payments_at_once_one_settles_and_the_other_becomes_an_exception() -> None:
    invoice = first_invoice(subscribe_tenant())
    both_at_once(lambda: pay(invoice, reference="pi_1"), lambda: pay(invoice, reference="pi_2"))
    assert set(Payment.objects.values_list("status", flat=True)) == {PaymentStatus.SUCCEEDED, PaymentStatus.UNMATCHED}
    assert BillingException.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_of_two_members_of_staff_at_once_one_is_refused() -> None:
    invoice = first_invoice(subscribe_tenant())
    ends = both_at_once(
        lambda: transfer(invoice), lambda: void_invoice(invoice_id=invoice.pk, reason="x", actor=STAFF, as_of=NOW)
    )
    assert ends == ["Invoice", "InvoiceStatusError"]
    invoice.refresh_from_db()
    assert (invoice.status == InvoiceStatus.PAID) == Payment.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_one_payment_reported_for_two_invoices_at_once_is_stored_for_one() -> None:
    first, second = finalized_invoices(2)
    assert both_at_once(lambda: pay(first), lambda: pay(second)) == ["ConflictError", "Invoice"]
    assert Payment.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_control_without_the_lock_two_payments_at_once_both_settle() -> None:
    # The control: two that read the status without a lock, and write without comparing, both succeed.
    invoice = first_invoice(subscribe_tenant())
    barrier = Barrier(2)

    def careless() -> object:
        seen = Invoice.objects.get(pk=invoice.pk)
        assert seen.status == InvoiceStatus.FINALIZED
        barrier.wait(120)
        Invoice.objects.filter(pk=invoice.pk).update(status=InvoiceStatus.PAID, paid_at=NOW, amount_paid_minor=4900)
        return seen

    ends = both_at_once(careless, careless)
    assert ends == ["Invoice", "Invoice"]
