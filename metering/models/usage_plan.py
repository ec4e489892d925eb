"""Usage plans: the throttle and the quotas that metering enforces. Billing has the prices."""

from typing import ClassVar

from django.core.validators import MaxValueValidator
from django.db import models
from django.db.models import Q

from accounts.models import Tenant
from metering.domain.limit_scopes import LimitScope
from metering.domain.limits import BURST_MAX, RATE_MAX
from metering.domain.periods import Period
from metering.models.catalog import CODE, EventType, Meter


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
    allows_in_outage = models.BooleanField(
        default=False,
        help_text="While the store of limits is down: allow requests unchecked, and count them later. Otherwise they "
        "are refused with 503.",
    )
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
    """The length of a quota's period, in days of the tenant's time zone. A week begins on Monday."""

    DAY = "day", "Day"
    WEEK = "week", "Week"
    MONTH = "month", "Month"
    BILLING = "billing", "Billing period"


class LimitScopes(models.TextChoices):
    """Whose usage a limit counts."""

    TENANT = LimitScope.TENANT.value, "The tenant"
    SUBJECT = LimitScope.SUBJECT.value, "Each subject"


class UsagePlanThrottle(models.Model):
    """One more throttle of a usage plan: for each subject, for one type of events, or both."""

    usage_plan = models.ForeignKey(UsagePlan, on_delete=models.CASCADE, related_name="throttles")
    scope = models.CharField(max_length=7, choices=LimitScopes.choices, default=LimitScopes.TENANT)
    event_type = models.ForeignKey(
        EventType,
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="throttles",
        help_text="Empty: requests of all types.",
    )
    rate = models.PositiveIntegerField(validators=[MaxValueValidator(RATE_MAX)], help_text="Requests per second.")
    burst = models.PositiveIntegerField(validators=[MaxValueValidator(BURST_MAX)], help_text="The most at once.")

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["usage_plan", "scope", "event_type"], nulls_distinct=False, name="usage_plan_throttle_once"
            ),
            models.CheckConstraint(condition=Q(scope__in=LimitScopes.values), name="usage_plan_throttle_scope_known"),
            models.CheckConstraint(
                condition=~Q(scope=LimitScope.TENANT.value) | Q(event_type__isnull=False),
                name="usage_plan_throttle_not_of_all",
            ),
            models.CheckConstraint(condition=Q(rate__gte=1, burst__gte=1), name="usage_plan_throttle_allows"),
        ]
        ordering: ClassVar = ["scope", "event_type__code"]

    def __str__(self) -> str:
        return f"{self.rate}/s, burst {self.burst} {self.terms_in_words}"

    @property
    def terms_in_words(self) -> str:
        """Return what is throttled, as in "for each subject, http_request only"."""
        of_type = f"{self.event_type.code} only" if self.event_type else ""
        of_scope = "for each subject" if self.scope == LimitScope.SUBJECT else ""
        return ", ".join(part for part in (of_scope, of_type) if part)


class UsagePlanQuota(models.Model):
    """The limit of a usage plan on one meter in a period: a hard quota refuses, a soft one bills the overage."""

    usage_plan = models.ForeignKey(UsagePlan, on_delete=models.CASCADE, related_name="quotas")
    meter = models.ForeignKey(Meter, on_delete=models.PROTECT, related_name="quotas")
    period = models.CharField(max_length=7, choices=QuotaPeriod.choices, default=QuotaPeriod.MONTH)
    limit = models.DecimalField(max_digits=20, decimal_places=9)
    is_hard = models.BooleanField(default=True)
    scope = models.CharField(
        max_length=7,
        choices=LimitScopes.choices,
        default=LimitScopes.TENANT,
        help_text="Each subject: every user, project or team that events name has this quota.",
    )

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["usage_plan", "meter", "period", "scope"], name="usage_plan_quota_once"),
            models.CheckConstraint(condition=Q(scope__in=LimitScopes.values), name="usage_plan_quota_scope_known"),
            models.CheckConstraint(condition=Q(limit__gte=0), name="usage_plan_quota_not_negative"),
            models.CheckConstraint(condition=Q(period__in=QuotaPeriod.values), name="usage_plan_quota_period_known"),
        ]
        ordering: ClassVar = ["meter__code", "period", "scope"]

    def __str__(self) -> str:
        return f"{self.limit.normalize():f} {self.meter} a {Period(self.period).words}"

    @property
    def terms_in_words(self) -> str:
        """Return the period and the consequence, as in "a month, hard"."""
        of_subject = " for each subject" if self.scope == LimitScope.SUBJECT else ""
        return f"a {Period(self.period).words}{of_subject}, {'hard' if self.is_hard else 'soft'}"


class UsagePlanAssignment(models.Model):
    """The current usage plan of a tenant; without one nothing is limited."""

    tenant = models.OneToOneField(
        Tenant, primary_key=True, on_delete=models.CASCADE, related_name="usage_plan_assignment"
    )
    usage_plan = models.ForeignKey(UsagePlan, on_delete=models.PROTECT, related_name="assignments")
    assigned_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.tenant} on {self.usage_plan}"
