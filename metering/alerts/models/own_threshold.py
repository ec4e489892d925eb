"""Thresholds that customers add to the standard ones."""

from typing import ClassVar

from django.db import models
from django.db.models import Q

from accounts.domain.plain import plain_decimal
from accounts.models import Tenant
from metering.alerts.domain.alerts import PERCENT_MAX
from metering.models import Meter, QuotaPeriod


class OwnThreshold(models.Model):
    """A threshold that a tenant set on the quota of a meter and period: a percentage of the limit, or a quantity.

    It stays when the tenant changes its plan, and is compared with whatever quota the plan has then.
    """

    id = models.UUIDField(primary_key=True, editable=False)
    tenant = models.ForeignKey(Tenant, on_delete=models.CASCADE, related_name="own_thresholds")
    meter = models.ForeignKey(Meter, on_delete=models.PROTECT, related_name="own_thresholds")
    quota_period = models.CharField(max_length=7, choices=QuotaPeriod.choices)
    threshold = models.PositiveSmallIntegerField(null=True, help_text="In percent of the limit.")
    threshold_quantity = models.DecimalField(
        max_digits=20, decimal_places=9, null=True, help_text="In units of the meter, instead of a percentage."
    )
    created_at = models.DateTimeField(editable=False)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["tenant", "meter", "quota_period", "threshold", "threshold_quantity"],
                nulls_distinct=False,
                name="own_threshold_once",
            ),
            models.CheckConstraint(condition=Q(quota_period__in=QuotaPeriod.values), name="own_threshold_period_known"),
            models.CheckConstraint(
                condition=Q(threshold=None) ^ Q(threshold_quantity=None), name="own_threshold_measured_one_way"
            ),
            models.CheckConstraint(
                condition=Q(threshold=None) | Q(threshold__gte=1, threshold__lte=PERCENT_MAX),
                name="own_threshold_percent_known",
            ),
            models.CheckConstraint(
                condition=Q(threshold_quantity=None) | Q(threshold_quantity__gt=0), name="own_threshold_positive"
            ),
        ]
        ordering: ClassVar = ["-created_at", "-id"]

    def __str__(self) -> str:
        quantity = self.threshold_quantity
        at = f"{self.threshold} %" if quantity is None else plain_decimal(quantity)
        return f"{at} of {self.meter} a {self.quota_period}"
