"""Four eyes: requests of staff that take effect when a colleague approves them, and what was written off.

What was asked for never changes, and what was decided stays decided: `billing/desk/migrations/approvals.sql` holds
that.
"""

from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models import F, Q

from accounts.models import Tenant
from billing.desk.domain.approvals import ApprovalKind, ApprovalStatus
from billing.domain.money import money_text
from billing.models import Invoice, Payment
from billing.models.catalog import CURRENCY


class Approval(models.Model):
    """An act that one member of staff asks for. `details` is what the act needs beside its object and amount."""

    id = models.UUIDField(primary_key=True, editable=False)
    tenant = models.ForeignKey(Tenant, on_delete=models.PROTECT, related_name="approvals")
    kind = models.CharField(
        max_length=20, choices=[(kind.value, kind.value.replace("_", " ").capitalize()) for kind in ApprovalKind]
    )
    status = models.CharField(
        max_length=9,
        choices=[(status.value, status.value.capitalize()) for status in ApprovalStatus],
        default=ApprovalStatus.OPEN.value,
    )
    invoice = models.ForeignKey(Invoice, null=True, on_delete=models.PROTECT, related_name="approvals")
    payment = models.ForeignKey(Payment, null=True, on_delete=models.PROTECT, related_name="approvals")
    amount_minor = models.BigIntegerField()
    currency = models.CharField(max_length=3, validators=[CURRENCY])
    details = models.JSONField(default=dict)
    reason = models.CharField(max_length=200)
    requester = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    requested_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    decider = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+")
    decided_at = models.DateTimeField(null=True)
    decision_reason = models.CharField(max_length=200, blank=True)

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(condition=Q(kind__in=list(ApprovalKind)), name="approval_kind_known"),
            models.CheckConstraint(condition=Q(status__in=list(ApprovalStatus)), name="approval_status_known"),
            models.CheckConstraint(condition=Q(amount_minor__gt=0), name="approval_of_something"),
            models.CheckConstraint(condition=~Q(reason=""), name="approval_has_reason"),
            models.CheckConstraint(
                condition=Q(status=ApprovalStatus.OPEN, decided_at=None)
                | (~Q(status=ApprovalStatus.OPEN) & Q(decided_at__isnull=False)),
                name="approval_decided_has_time",
            ),
            models.CheckConstraint(
                condition=~Q(status=ApprovalStatus.APPROVED) | (Q(decider__isnull=False) & ~Q(decider=F("requester"))),
                name="approval_by_another",
            ),
            models.UniqueConstraint(
                fields=["kind", "invoice"],
                condition=Q(status=ApprovalStatus.OPEN, invoice__isnull=False),
                name="approval_of_invoice_open_once",
            ),
            models.UniqueConstraint(
                fields=["kind", "payment"],
                condition=Q(status=ApprovalStatus.OPEN, payment__isnull=False),
                name="approval_of_payment_open_once",
            ),
        ]
        ordering: ClassVar = ["-requested_at", "-id"]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} of {money_text(self.amount_minor, self.currency)}"


class WriteOff(models.Model):
    """What was unpaid of an invoice and is given up in the books. What comes in after all is in the ledger alone."""

    id = models.UUIDField(primary_key=True, editable=False)
    tenant = models.ForeignKey(Tenant, on_delete=models.PROTECT, related_name="write_offs")
    invoice = models.ForeignKey(Invoice, on_delete=models.PROTECT, related_name="write_offs")
    amount_minor = models.BigIntegerField()
    currency = models.CharField(max_length=3, validators=[CURRENCY])
    reason = models.CharField(max_length=200)
    approval = models.OneToOneField(Approval, null=True, on_delete=models.PROTECT, related_name="write_off")
    created_at = models.DateTimeField()
    created_by = models.CharField(max_length=254)

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(condition=Q(amount_minor__gt=0), name="write_off_of_something"),
            models.CheckConstraint(condition=~Q(reason=""), name="write_off_has_reason"),
        ]
        ordering: ClassVar = ["-created_at", "-id"]

    def __str__(self) -> str:
        return f"Write-off of {self.invoice}"
