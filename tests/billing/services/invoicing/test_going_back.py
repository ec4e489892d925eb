"""Money that goes back at the provider: taken from the customer's own money first, then from the invoices it pays."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from accounts.errors import ConflictError, NotFoundError
from accounts.models import AuditEntry
from billing.models import (
    BillingException,
    DisputeState,
    Invoice,
    InvoiceHold,
    Payment,
    PaymentDispute,
    PaymentRefund,
)
from billing.services.invoicing.going_back import (
    DisputeToRecord,
    end_hold,
    received_payment_named,
    record_dispute,
    record_refund_elsewhere,
    take_back_refund,
)
from billing.services.invoicing.payments import record_payment
from tests.billing.services.invoicing.test_payments import NOW, PAID_AT
from tests.billing.world import STAFF, first_invoice, subscribe_tenant

pytestmark = pytest.mark.django_db
LATER = NOW + timedelta(days=3)


@pytest.fixture
def payment(db: None) -> Payment:
    """Record a payment of 60.00 EUR for an invoice over 49.00. 11.00 are left."""
    record_payment(
        invoice_id=first_invoice(subscribe_tenant()).pk, provider="stripe", reference="in_1", amount_minor=6000,
        currency="EUR", occurred_at=PAID_AT, as_of=NOW,
    )  # fmt: skip
    return Payment.objects.get()


def gone(payment: Payment, amount_minor: int, reference: str = "re_1") -> PaymentRefund:
    return record_refund_elsewhere(
        payment=payment, reference=reference, amount_minor=amount_minor, reason="Duplicate.", occurred_at=LATER,
        as_of=LATER,
    )  # fmt: skip


def dispute(payment: Payment, state: DisputeState, **fields: Any) -> PaymentDispute:
    told: dict[str, Any] = {
        "reference": "du_1", "state": state, "amount_minor": 6000, "currency": "EUR", "reason": "fraudulent",
        "answer_by": None, "occurred_at": LATER,
    }  # fmt: skip
    return record_dispute(payment=payment, told=DisputeToRecord(**(told | fields)), as_of=LATER)


def test_what_is_left_of_a_payment_goes_back_without_its_invoice(payment: Payment) -> None:
    assert gone(payment, 1100) == gone(payment, 1100)

    assert Invoice.objects.get().status == "paid"
    assert not InvoiceHold.objects.exists()
    assert not BillingException.objects.filter(resolved_at=None).exists()


def test_more_takes_the_rest_from_the_invoice_which_is_held(payment: Payment) -> None:
    gone(payment, 2000)

    invoice = Invoice.objects.get()
    assert (invoice.status, invoice.amount_due_minor) == ("finalized", 900)
    assert invoice.hold.reason == "Duplicate."
    payment.refresh_from_db()
    assert (payment.allocated_minor, payment.refunded_minor) == (4000, 2000)


def test_more_than_came_in_cannot_go_back(payment: Payment) -> None:
    with pytest.raises(ConflictError, match="more than is left"):
        gone(payment, 6001)
    assert Invoice.objects.get().status == "paid"


def test_a_refund_is_taken_back_once(payment: Payment) -> None:
    refund = gone(payment, 2000)

    back = take_back_refund(refund_id=refund.pk, why="The card is closed.", as_of=LATER)

    assert back is not None
    assert back.amount_minor == -2000
    assert take_back_refund(refund_id=refund.pk, why="Again.", as_of=LATER) is None
    payment.refresh_from_db()
    assert (payment.refunded_minor, payment.unallocated_minor) == (0, 2000)


def test_the_states_of_a_dispute_follow_one_another(payment: Payment) -> None:
    dispute(payment, DisputeState.INQUIRY)
    dispute(payment, DisputeState.OPEN, answer_by=datetime(2026, 4, 1, tzinfo=NOW.tzinfo))
    case = BillingException.objects.get(resolved_at=None)
    assert case.detail.endswith("Send evidence at the provider until 01 April 2026.")
    closed = dispute(payment, DisputeState.LOST)

    assert (closed.state, closed.closed_at) == ("lost", LATER)
    assert dispute(payment, DisputeState.OPEN) == closed  # told late
    with pytest.raises(ConflictError, match="was lost, and is won now"):
        dispute(payment, DisputeState.WON)
    states = AuditEntry.objects.filter(action__startswith="payment.dispute_").order_by("pk")
    assert [entry.after["state"] for entry in states] == ["inquiry", "open", "lost"]
    assert PaymentRefund.objects.get().way == "chargeback"


def test_a_dispute_in_another_currency_needs_a_person(payment: Payment) -> None:
    with pytest.raises(ConflictError, match="in USD"):
        dispute(payment, DisputeState.OPEN, currency="USD")


def test_a_hold_ends_once_and_with_a_reason(payment: Payment) -> None:
    gone(payment, 2000)
    invoice = Invoice.objects.get()

    end_hold(invoice_id=invoice.pk, reason="Agreed by phone.", actor=STAFF, as_of=LATER)

    assert AuditEntry.objects.get(action="invoice.hold_ended").after == {"reason": "Agreed by phone."}
    with pytest.raises(NotFoundError, match="not on hold"):
        end_hold(invoice_id=invoice.pk, reason="Again.", actor=STAFF, as_of=LATER)


def test_a_payment_is_found_by_the_providers_reference(payment: Payment) -> None:
    found = received_payment_named(provider=payment.provider, reference=payment.reference)
    assert found == payment
    assert received_payment_named(provider="another", reference=payment.reference) is None
