"""A refund is stored with its method, and never exceeds the rest of the payment."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import transaction

from accounts.errors import ConflictError, InvalidFieldsError, NotFoundError
from accounts.models import AuditEntry
from billing.models import BillingException, Invoice, Payment, PaymentRefund
from billing.services.invoicing.refunding import record_refund
from tests.billing.services.invoicing.test_payments import NOW, PAID_AT, transfer
from tests.billing.world import STAFF, first_invoice, subscribe_tenant
from tests.races import both_at_once

pytestmark = pytest.mark.django_db


@pytest.fixture
def payment(db: None) -> Payment:
    """Record a payment of 60.00 EUR for an invoice over 49.00. 11.00 are left."""
    return _overpaid()


def _overpaid() -> Payment:
    transfer(first_invoice(subscribe_tenant()), amount_minor=6000)
    return Payment.objects.get()


def refund(payment: Payment, amount_minor: int = 1100, *, occurred_at: datetime = NOW, **fields: Any) -> PaymentRefund:
    given = {"way": "bank_transfer", "reference": "statement 9", "reason": "paid too much"} | fields
    return record_refund(
        payment_id=payment.pk, amount_minor=amount_minor, occurred_at=occurred_at, actor=STAFF, as_of=NOW, **given
    )


def test_a_refund_takes_the_payment_off_the_list(payment: Payment) -> None:
    done = refund(payment)
    payment.refresh_from_db()
    assert (done.currency, done.created_by, payment.refunded_minor, payment.unallocated_minor) == (
        "EUR", "staff", 1100, 0,
    )  # fmt: skip
    assert BillingException.objects.get().resolved_at == NOW
    entry = AuditEntry.objects.get(action="payment.refunded")
    assert (entry.tenant_id, entry.after["amount_minor"], entry.after["way"]) == (
        payment.tenant_id, 1100, "bank_transfer",
    )  # fmt: skip


def test_a_refund_may_be_partial_and_the_rest_stays_open(payment: Payment) -> None:
    refund(payment, 1000)
    assert BillingException.objects.get(resolved_at=None).amount_minor == 100
    with pytest.raises(ConflictError, match="already recorded"):
        refund(payment, 100)
    refund(payment, 100, reference="statement 10")
    assert Invoice.objects.get().amount_paid_minor == 4900


@pytest.mark.parametrize(
    ("amount_minor", "fields", "sentence"),
    [
        (1101, {}, r"11\.00.EUR of this payment"),
        (0, {}, r"11\.00.EUR of this payment"),
        (-1, {}, r"11\.00.EUR of this payment"),
        (1, {"way": "pigeon"}, "One of: provider, chargeback, bank_transfer, other"),
        (1, {"reference": "  "}, "may not be empty"),
        (1, {"reference": "x" * 256}, "At most 255"),
        (1, {"reason": " "}, "may not be empty"),
        (1, {"occurred_at": NOW + timedelta(seconds=1)}, "in the future"),
        (1, {"occurred_at": PAID_AT - timedelta(seconds=1)}, "before the payment"),
    ],
)
def test_an_impossible_refund_is_refused_and_changes_nothing(
    payment: Payment, amount_minor: int, fields: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(InvalidFieldsError, match=sentence):
        refund(payment, amount_minor, **fields)
    assert not PaymentRefund.objects.exists()


def test_a_refund_by_another_method_needs_no_reference(payment: Payment) -> None:
    for _ in range(2):
        refund(payment, 1, way="other", reference="")
    assert PaymentRefund.objects.count() == 2


def test_an_unknown_payment_cannot_be_refunded(payment: Payment) -> None:
    with pytest.raises(NotFoundError):
        refund(Payment(pk=payment.pk + 1))


@pytest.mark.django_db(transaction=True)
def test_of_two_refunds_at_once_one_is_refused() -> None:
    payment = _overpaid()
    ends = both_at_once(lambda: refund(payment, reference="a"), lambda: refund(payment, reference="b"))
    assert sorted(ends) == ["InvalidFieldsError", "PaymentRefund"]
    assert PaymentRefund.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_control_without_the_lock_both_refunds_are_stored() -> None:
    # The control: two that read the rest without a lock, and add rows alone, give it back twice.
    payment = _overpaid()

    def careless() -> object:
        with transaction.atomic():
            seen = Payment.objects.get(pk=payment.pk)
            assert seen.unallocated_minor == 1100
            return PaymentRefund.objects.create(
                tenant_id=seen.tenant_id, payment=seen, way="other", amount_minor=1100, currency="EUR", reason="x",
                occurred_at=NOW, created_at=NOW, created_by="x",
            )  # fmt: skip

    assert both_at_once(careless, careless) == ["PaymentRefund"] * 2
    assert sum(PaymentRefund.objects.values_list("amount_minor", flat=True)) > 1100
