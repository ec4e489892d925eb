"""Threshold alerts."""

from typing import ClassVar

from django.db import models
from django.db.models import Q

from accounts.models import Tenant
from billing.models.subscription import Subscription
from metering.models import Meter, QuotaPeriod

THRESHOLDS = (80, 95, 100)


class ThresholdAlert(models.Model):
    """A tenant's usage crossed a share of a quota. A new period, or another quota, arms it anew."""

    tenant = models.ForeignKey(Tenant, on_delete=models.PROTECT, related_name="threshold_alerts")
    subscription = models.ForeignKey(Subscription, null=True, on_delete=models.PROTECT, related_name="threshold_alerts")
    meter = models.ForeignKey(Meter, on_delete=models.PROTECT, related_name="threshold_alerts")
    quota_period = models.CharField(max_length=5, choices=QuotaPeriod.choices)
    period_start_on = models.DateField(help_text="First day of the quota's period, in the tenant's time zone.")
    threshold = models.PositiveSmallIntegerField(help_text="Percent of the quota.")
    limit = models.DecimalField(max_digits=20, decimal_places=9)
    quantity = models.DecimalField(max_digits=38, decimal_places=9, help_text="Usage when it was found.")
    occurred_at = models.DateTimeField()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["tenant", "meter", "quota_period", "period_start_on", "threshold", "limit"],
                name="threshold_alert_once",
            ),
            models.CheckConstraint(condition=Q(threshold__in=THRESHOLDS), name="threshold_alert_known"),
        ]
        indexes: ClassVar = [models.Index(fields=["tenant", "-occurred_at"], name="threshold_alert_by_tenant")]
        ordering: ClassVar = ["-occurred_at", "-id"]

    def __str__(self) -> str:
        return f"{self.threshold} % of {self.meter}"
