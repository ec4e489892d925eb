"""Threshold alerts, and the agreements under which they are raised."""

from typing import ClassVar

from django.db import models
from django.db.models import Q

from accounts.models import Tenant
from metering.models import Meter, QuotaPeriod

THRESHOLDS = (80, 95, 100)


class TenantAgreement(models.Model):
    """The agreement under which a tenant is metered now. An app above sets it, and knows what the id refers to."""

    tenant = models.OneToOneField(Tenant, on_delete=models.CASCADE, primary_key=True, related_name="metered_agreement")
    agreement_id = models.UUIDField()

    def __str__(self) -> str:
        return str(self.agreement_id)


class ThresholdAlert(models.Model):
    """A tenant's usage crossed a share of a quota. Each period and each quota can raise it once."""

    tenant = models.ForeignKey(Tenant, on_delete=models.PROTECT, related_name="threshold_alerts")
    agreement_id = models.UUIDField(null=True, help_text="The tenant's subscription at that time.")
    meter = models.ForeignKey(Meter, on_delete=models.PROTECT, related_name="threshold_alerts")
    quota_period = models.CharField(max_length=5, choices=QuotaPeriod.choices)
    period_start_on = models.DateField(help_text="First day of the quota's period, in the tenant's time zone.")
    threshold = models.PositiveSmallIntegerField(help_text="The threshold in percent of the quota.")
    limit = models.DecimalField(max_digits=20, decimal_places=9)
    quantity = models.DecimalField(max_digits=38, decimal_places=9, help_text="The usage when the alert was created.")
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
