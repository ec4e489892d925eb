"""A refund above the limit waits for a colleague; a smaller one is recorded at once."""

from datetime import timedelta

import pytest

from accounts.errors import InvalidFieldsError
from billing.desk.models import Approval
from billing.desk.services.deciding import approve
from billing.desk.services.refunding import refund_payment
from billing.models import PaymentRefund
from tests.billing.desk.colleagues import MAY, colleague, overdue_invoice, paid_for

pytestmark = pytest.mark.django_db


def test_a_refund_above_the_limit_waits_too() -> None:
    payment = paid_for(overdue_invoice(), 7900)
    facts = {"payment_id": payment.pk, "way": "bank_transfer", "reason": "too much", "occurred_at": MAY, "as_of": MAY}
    small = refund_payment(amount_minor=500, reference="s 1", actor=colleague("bo"), **facts)
    assert isinstance(small, PaymentRefund)
    waits = refund_payment(amount_minor=2500, reference="s 2", actor=colleague("bo"), **facts)
    assert isinstance(waits, Approval)
    with pytest.raises(InvalidFieldsError, match="can be given back"):
        refund_payment(amount_minor=2501, reference="s 3", actor=colleague("bo"), **facts)
    approve(approval_id=waits.pk, actor=colleague("kim"), as_of=MAY + timedelta(hours=1))
    refund = PaymentRefund.objects.get(reference="s 2")
    payment.refresh_from_db()
    assert (refund.amount_minor, refund.occurred_at, payment.unallocated_minor) == (2500, MAY, 0)
