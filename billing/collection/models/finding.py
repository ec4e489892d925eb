"""The differences that reconciliation with providers found: one row for each, while it lasts."""

from typing import ClassVar

from django.db import models
from django.db.models import F, Q

from accounts.models import Tenant
from billing.collection.domain.comparing import ACTS, FindingCode
from billing.collection.models.provider import PROVIDER_CHARACTERS_MAX


class PaymentFinding(models.Model):
    """A difference between our books and a provider's: opened once, seen again at each run, closed with a reason.

    It is closed by the first run that no longer finds it, and settled by staff who decided about it. If a side changes
    after that, it is open again. Nothing else follows from it: the check corrects nothing.
    """

    provider = models.CharField(max_length=PROVIDER_CHARACTERS_MAX)
    subject = models.CharField(max_length=290, help_text="The kind of the object, and the provider's id of it.")
    code = models.CharField(
        max_length=13, choices=[(code.value, code.value.replace("_", " ").capitalize()) for code in FindingCode]
    )
    tenant = models.ForeignKey(Tenant, null=True, on_delete=models.PROTECT, related_name="payment_findings")
    ours = models.CharField(max_length=300, help_text="What our books have.")
    theirs = models.CharField(max_length=300, help_text="What the provider has.")
    explanation = models.CharField(max_length=300)
    happened_at = models.DateTimeField(help_text="When the money moved.")
    opened_at = models.DateTimeField()
    seen_at = models.DateTimeField(help_text="The last run that found it.")
    closed_at = models.DateTimeField(null=True)
    closed_because = models.CharField(max_length=200, blank=True)
    settled_at = models.DateTimeField(null=True)
    settled_by = models.CharField(max_length=254, blank=True)
    settlement = models.CharField(max_length=300, blank=True, help_text="What was done about it.")

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["provider", "subject", "code"], condition=Q(closed_at=None), name="payment_finding_open_once"
            ),
            models.CheckConstraint(condition=Q(code__in=list(FindingCode)), name="payment_finding_code_known"),
            models.CheckConstraint(
                condition=Q(closed_at=None, closed_because="") | Q(closed_at__isnull=False) & ~Q(closed_because=""),
                name="payment_finding_closed_has_reason",
            ),
            models.CheckConstraint(
                condition=Q(settled_at=None, settled_by="", settlement="")
                | Q(settled_at__isnull=False) & ~Q(settled_by="") & ~Q(settlement=""),
                name="payment_finding_settled_says_how",
            ),
            models.CheckConstraint(condition=Q(opened_at__lte=F("seen_at")), name="payment_finding_seen_after_opened"),
        ]
        indexes: ClassVar = [
            models.Index(fields=["opened_at"], condition=Q(closed_at=None), name="payment_finding_open")
        ]
        ordering: ClassVar = ["-opened_at", "-id"]

    def __str__(self) -> str:
        return f"{self.get_code_display()}: {self.subject}"

    @property
    def suggestion(self) -> str:
        """Return what staff may do about it."""
        return ACTS[FindingCode(self.code)]
