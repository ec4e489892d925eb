"""Discrepancies that checks found in the books: one row for each, while it lasts."""

from typing import Any, ClassVar

from django.db import models
from django.db.models import F, Q

from accounts.models.tenant import Tenant


class DiscrepancyQuerySet(models.QuerySet[Any]):
    """Discrepancies."""

    def open(self) -> "DiscrepancyQuerySet":
        """Filter to discrepancies that are neither closed nor accepted by staff."""
        return self.filter(closed_at=None, accepted_at=None)


class Discrepancy(models.Model):
    """A difference that a check found: opened once, seen again at each run, closed by the first run that misses it.

    While it is open and `is_holding`, its tenant is not billed. Staff may accept it as it is. If it changes, it opens
    again.
    """

    found_by = models.CharField(max_length=60, help_text="The name of the job that checks.")
    subject = models.CharField(max_length=200)
    code = models.CharField(max_length=40)
    detail = models.TextField()
    tenant = models.ForeignKey(Tenant, null=True, blank=True, on_delete=models.PROTECT, related_name="discrepancies")
    is_holding = models.BooleanField(default=False, help_text="Whether the tenant is not billed until it is resolved.")
    opened_at = models.DateTimeField()
    seen_at = models.DateTimeField(help_text="The last run that found it.")
    closed_at = models.DateTimeField(null=True)
    accepted_at = models.DateTimeField(null=True)
    accepted_by = models.CharField(max_length=254, blank=True)
    acceptance = models.CharField(max_length=200, blank=True, help_text="The reason for accepting it.")

    objects = DiscrepancyQuerySet.as_manager()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["found_by", "subject", "code"], condition=Q(closed_at=None), name="discrepancy_open_once"
            ),
            models.CheckConstraint(
                condition=Q(accepted_at=None) | ~Q(acceptance=""), name="discrepancy_accepted_has_reason"
            ),
            models.CheckConstraint(condition=Q(opened_at__lte=F("seen_at")), name="discrepancy_seen_after_opened"),
        ]
        indexes: ClassVar = [models.Index(fields=["tenant"], condition=Q(closed_at=None), name="discrepancy_by_tenant")]
        ordering: ClassVar = ["-opened_at", "-id"]
        verbose_name = "difference"

    def __str__(self) -> str:
        return f"{self.subject}: {self.code}"
