"""What staff are told of billing through their channels: payments that failed, and new exceptions."""

from collections.abc import Iterator
from datetime import datetime

from django.urls import reverse

from accounts.channels.domain.staff_notices import NewStaffNotice, StaffNoticeKind
from accounts.channels.selectors.staff_sources import NEWEST
from billing.domain.money import money_text
from billing.models import BillingException, Payment, PaymentStatus


def failed_payments(since: datetime) -> Iterator[NewStaffNotice]:
    """Yield the payments that failed."""
    for payment in Payment.objects.select_related("tenant", "invoice").order_by("-pk")[:NEWEST]:
        if payment.status == PaymentStatus.FAILED and payment.created_at >= since:
            amount = money_text(payment.amount_minor, payment.currency)
            yield NewStaffNotice(
                StaffNoticeKind.PAYMENT_FAILED,
                f"payment_failed:{payment.pk}",
                f"{payment.tenant.name}: a payment of {amount} failed",
                payment.error,
                reverse("admin:billing_payment_change", args=[payment.pk]),
                payment.created_at,
            )


def new_exceptions(since: datetime) -> Iterator[NewStaffNotice]:
    """Yield the exceptions that wait for staff."""
    for found in BillingException.objects.select_related("subscription__tenant").order_by("-pk")[:NEWEST]:
        if found.resolved_at is None and found.occurred_at >= since:
            yield NewStaffNotice(
                StaffNoticeKind.EXCEPTION,
                f"exception:{found.pk}",
                f"{found.subscription.tenant.name}: {found.code.replace('_', ' ')}",
                found.detail,
                reverse("admin:billing_billingexception_change", args=[found.pk]),
                found.occurred_at,
            )
