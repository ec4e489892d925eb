"""Credit notes: documents that take back an invoice, or some of one."""

from typing import ClassVar

from django.db import models
from django.db.models import F, Q

from accounts.models import Tenant
from billing.models.catalog import CURRENCY
from billing.models.invoice import Invoice


class CreditTarget(models.TextChoices):
    """Where money goes that was paid of what a credit note takes back."""

    REFUND = "refund", "Refund it"
    BALANCE = "balance", "Keep it for the next invoices"


class CreditNote(models.Model):
    """A document that takes back a whole invoice (`invoice`), or some of one (`part_of`).

    `credited_lines` has of one in part for each line its id and `position`, the id of the usage line that it belongs to
    (`root`), the amount, and what stood of that line then (`stood_minor`).
    """

    id = models.UUIDField(primary_key=True, editable=False)
    tenant = models.ForeignKey(Tenant, on_delete=models.PROTECT, related_name="credit_notes")
    invoice = models.OneToOneField(Invoice, null=True, on_delete=models.PROTECT, related_name="credit_note")
    part_of = models.ForeignKey(Invoice, null=True, on_delete=models.PROTECT, related_name="credit_notes_in_part")
    goes_to = models.CharField(max_length=7, choices=CreditTarget.choices, blank=True)
    credited_lines = models.JSONField(default=list)
    number = models.CharField(max_length=40, unique=True)
    currency = models.CharField(max_length=3, validators=[CURRENCY])
    subtotal_minor = models.BigIntegerField()
    tax_minor = models.BigIntegerField()
    carried_minor = models.BigIntegerField(default=0, help_text="Credit that it used (negative) or kept (positive).")
    total_minor = models.BigIntegerField()
    reason = models.CharField(max_length=200)
    issued_on = models.DateField()
    issued_at = models.DateTimeField()
    issued_by = models.CharField(max_length=254)
    content = models.JSONField()
    content_digest = models.CharField(max_length=64)

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(total_minor=F("subtotal_minor") + F("tax_minor") + F("carried_minor")),
                name="credit_note_total_is_sum",
            ),
            models.CheckConstraint(condition=~Q(reason=""), name="credit_note_has_reason"),
            models.CheckConstraint(
                condition=Q(invoice__isnull=False, part_of=None, goes_to="")
                | Q(invoice=None, part_of__isnull=False, goes_to__in=CreditTarget.values, total_minor__gt=0),
                name="credit_note_is_whole_or_in_part",
            ),
        ]
        ordering: ClassVar = ["-issued_at", "-id"]

    def __str__(self) -> str:
        return self.number

    @property
    def of_invoice(self) -> Invoice:
        """Return the invoice that it takes back, or some of it."""
        invoice = self.invoice or self.part_of
        assert invoice is not None, "it is of an invoice"
        return invoice
