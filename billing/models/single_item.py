"""Charges and credits that staff add to a customer's next invoice: `docs/algorithms/invoicing.md`, section I.

What was entered never changes: `billing/migrations/single_items.sql` holds that.
"""

from typing import ClassVar

from django.db import models
from django.db.models import F, Q

from accounts.models import Tenant
from billing.domain.invoicing.items import Item
from billing.domain.money import money_text
from billing.domain.tax import TaxCategory
from billing.models.catalog import CURRENCY
from billing.models.invoice import Invoice
from billing.models.subscription import Subscription


class SingleItem(models.Model):
    """A charge or a credit, without tax, that the next invoice of a subscription takes.

    `invoice` is the last one that took it; a credit is open again once that is not in force any more.
    """

    id = models.UUIDField(primary_key=True, editable=False)
    tenant = models.ForeignKey(Tenant, on_delete=models.PROTECT, related_name="single_items")
    subscription = models.ForeignKey(Subscription, on_delete=models.PROTECT, related_name="single_items")
    description = models.CharField(max_length=300)
    quantity = models.DecimalField(max_digits=21, decimal_places=9)
    unit = models.CharField(max_length=30, blank=True)
    unit_price = models.DecimalField(max_digits=24, decimal_places=12, help_text="Below 0 it is a credit.")
    first_on = models.DateField()
    last_on = models.DateField()
    tax_category = models.CharField(
        max_length=1,
        blank=True,
        choices=[("", "As for all that the customer buys"), (TaxCategory.OUT_OF_SCOPE.value, "Outside the scope")],
    )
    amount_minor = models.BigIntegerField()
    currency = models.CharField(max_length=3, validators=[CURRENCY])
    reason = models.CharField(max_length=200)
    created_at = models.DateTimeField()
    created_by = models.CharField(max_length=254)
    invoice = models.ForeignKey(Invoice, null=True, on_delete=models.PROTECT, related_name="single_items")
    cancelled_at = models.DateTimeField(null=True)
    cancelled_by = models.CharField(max_length=254, blank=True)

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(amount_minor__gt=0, unit_price__gt=0) | Q(amount_minor__lt=0, unit_price__lt=0),
                name="single_item_of_something",
            ),
            models.CheckConstraint(condition=Q(quantity__gt=0), name="single_item_has_quantity"),
            models.CheckConstraint(condition=~Q(reason=""), name="single_item_has_reason"),
            models.CheckConstraint(condition=Q(last_on__gte=F("first_on")), name="single_item_days_in_order"),
            models.CheckConstraint(
                condition=Q(tax_category__in=["", TaxCategory.OUT_OF_SCOPE.value]), name="single_item_category_known"
            ),
            models.CheckConstraint(
                condition=Q(cancelled_at=None) | Q(invoice=None), name="single_item_taken_or_cancelled"
            ),
        ]
        indexes: ClassVar = [
            models.Index(
                fields=["subscription"], condition=Q(cancelled_at=None, invoice=None), name="single_item_waiting"
            ),
        ]
        ordering: ClassVar = ["-created_at", "-id"]

    def __str__(self) -> str:
        return f"{self.description}: {money_text(self.amount_minor, self.currency)}"

    @property
    def item(self) -> Item:
        """Return it as a value."""
        return Item(
            self.description, self.quantity, self.unit, self.unit_price, self.first_on, self.last_on, self.tax_category
        )
