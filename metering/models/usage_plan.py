"""Usage plans: the throttle and the quotas that metering enforces. Billing has the prices."""

from typing import ClassVar

from django.core.validators import MaxValueValidator
from django.db import models
from django.db.models import Q

from accounts.models import Tenant
from metering.domain.limits import BURST_MAX, RATE_MAX
from metering.models.catalog import CODE, Meter


class UsagePlan(models.Model):
    """A set of limits that tenants are assigned to."""

    code = models.CharField(max_length=100, unique=True, validators=[CODE])
    name = models.CharField(max_length=120)
    throttle_rate = models.PositiveIntegerField(
        null=True,
        blank=True,
        validators=[MaxValueValidator(RATE_MAX)],
        help_text="Requests per second. Empty: no throttle.",
    )
    throttle_burst = models.PositiveIntegerField(
        null=True, blank=True, validators=[MaxValueValidator(BURST_MAX)], help_text="The most requests at once."
    )
    is_default = models.BooleanField(default=False, help_text="Assigned to new tenants.")
    created_at = models.DateTimeField(editable=False)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["is_default"], condition=Q(is_default=True), name="usage_plan_one_default"),
            models.CheckConstraint(
                # A comparison with NULL is neither true nor false, and a check accepts it: so NULL is named.
                condition=Q(throttle_rate=None, throttle_burst=None)
                | Q(
                    throttle_rate__isnull=False,
                    throttle_burst__isnull=False,
                    throttle_rate__gte=1,
                    throttle_burst__gte=1,
                ),
                name="usage_plan_throttle_whole",
            ),
        ]
        ordering: ClassVar = ["name"]

    def __str__(self) -> str:
        return self.name


class QuotaPeriod(models.TextChoices):
    """The length of a quota's period: days and months of the tenant's time zone."""

    DAY = "day", "Day"
    MONTH = "month", "Month"


class UsagePlanQuota(models.Model):
    """The limit of a usage plan on one meter in a period: a hard quota refuses, a soft one bills the overage."""

    usage_plan = models.ForeignKey(UsagePlan, on_delete=models.CASCADE, related_name="quotas")
    meter = models.ForeignKey(Meter, on_delete=models.PROTECT, related_name="quotas")
    period = models.CharField(max_length=5, choices=QuotaPeriod.choices, default=QuotaPeriod.MONTH)
    limit = models.DecimalField(max_digits=20, decimal_places=9)
    is_hard = models.BooleanField(default=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["usage_plan", "meter", "period"], name="usage_plan_quota_once"),
            models.CheckConstraint(condition=Q(limit__gte=0), name="usage_plan_quota_not_negative"),
            models.CheckConstraint(condition=Q(period__in=QuotaPeriod.values), name="usage_plan_quota_period_known"),
        ]
        ordering: ClassVar = ["meter__code", "period"]

    def __str__(self) -> str:
        return f"{self.limit.normalize():f} {self.meter} a {self.period}"


class UsagePlanAssignment(models.Model):
    """The current usage plan of a tenant; without one nothing is limited."""

    tenant = models.OneToOneField(
        Tenant, primary_key=True, on_delete=models.CASCADE, related_name="usage_plan_assignment"
    )
    usage_plan = models.ForeignKey(UsagePlan, on_delete=models.PROTECT, related_name="assignments")
    assigned_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.tenant} on {self.usage_plan}"
