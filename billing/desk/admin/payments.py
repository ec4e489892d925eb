"""Refunds on a payment's page: above the limit a colleague approves them."""

from datetime import datetime
from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from accounts.admin.base import staff_actor
from billing.admin.payments import PaymentAdmin
from billing.desk.admin.waiting import said_or_waits
from billing.desk.services.refunding import refund_payment
from billing.domain.money import money_text, round_to_minor
from billing.models import Payment

admin.site.unregister(Payment)


@admin.register(Payment)
class PaymentDeskAdmin(PaymentAdmin):
    """The page of a payment, of which a large refund waits for a colleague."""

    def work_of_refund(self, request: HttpRequest, payment: Payment, given: dict[str, Any], now: datetime) -> object:
        """Record the refund, or ask for it."""
        return refund_payment(
            payment_id=payment.pk, amount_minor=round_to_minor(given["amount"], payment.currency), way=given["way"],
            reference=given["reference"], reason=given["reason"], occurred_at=now, actor=staff_actor(request),
            as_of=now,
        )  # fmt: skip

    def said_of_refund(self, done: Any) -> str:
        """Return that it is recorded, or that it waits."""
        return said_or_waits(done, f"{money_text(done.amount_minor, done.currency)} are given back.")
