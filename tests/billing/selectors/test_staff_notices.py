"""Staff are told of failed payments and of exceptions."""

from datetime import timedelta

import pytest
from django.utils import timezone

from billing.models import BillingException, Payment, PaymentStatus
from billing.selectors.staff_notices import failed_payments, new_exceptions
from tests.billing.admin.desk import issued

pytestmark = pytest.mark.django_db
SECOND = timedelta(seconds=1)


def test_failed_payments_and_open_exceptions_are_found_since_their_time() -> None:
    invoice, now = issued(), timezone.now()
    for status in (PaymentStatus.FAILED, PaymentStatus.SUCCEEDED):
        Payment.objects.create(
            tenant=invoice.tenant, provider="manual", reference=status, status=status, error="Declined.",
            amount_minor=4900, currency="EUR", occurred_at=now, created_at=now,
        )  # fmt: skip
    [told] = failed_payments(now)
    assert (told.title, told.text) == (
        f"{invoice.tenant.name}: a payment of 49.00\N{NO-BREAK SPACE}EUR failed",
        "Declined.",
    )
    assert not list(failed_payments(now + SECOND))
    found = BillingException.objects.create(
        subscription=invoice.subscription, code="absurd_total", detail="Ten times as much.", occurred_at=now
    )
    assert [one.title for one in new_exceptions(now)] == [f"{invoice.tenant.name}: absurd total"]
    BillingException.objects.filter(pk=found.pk).update(resolved_at=now)
    assert not list(new_exceptions(now))
