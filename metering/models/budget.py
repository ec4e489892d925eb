"""Budgets that customers set on their own usage or spend."""

from typing import ClassVar

from django.db import models
from django.db.models import Q

from accounts.domain.identifiers import uuid7
from accounts.models import Tenant
from metering.domain.budgets import BudgetScope
from metering.domain.periods import Period
from metering.models.catalog import Meter
from metering.models.usage_plan import QuotaPeriod


class BudgetScopes(models.TextChoices):
    """Whose usage a budget counts."""

    TENANT = BudgetScope.TENANT.value, "The organisation"
    API_KEY = BudgetScope.API_KEY.value, "One key"
    SUBJECT = BudgetScope.SUBJECT.value, "One subject"


class Budget(models.Model):
    """A limit on a tenant's, a key's or a subject's usage of a meter, or on what it costs, in a period."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    tenant = models.ForeignKey(Tenant, on_delete=models.CASCADE, related_name="budgets")
    scope = models.CharField(max_length=7, choices=BudgetScopes.choices)
    scope_id = models.CharField(
        max_length=255, blank=True, help_text="The id of a key's line of rotations, or the subject."
    )
    meter = models.ForeignKey(Meter, null=True, on_delete=models.PROTECT, related_name="budgets")
    currency = models.CharField(max_length=3, blank=True, help_text="ISO 4217, for a budget in money.")
    limit = models.DecimalField(
        max_digits=20, decimal_places=9, help_text="In units of the meter, or in minor units of the currency."
    )
    period = models.CharField(max_length=7, choices=QuotaPeriod.choices)
    thresholds = models.JSONField(default=list, help_text="Percentages of the limit, in order.")
    does_stop = models.BooleanField(default=False, help_text="Requests beyond the limit are refused.")
    is_paused = models.BooleanField(default=False)
    stopped_until_at = models.DateTimeField(
        null=True, editable=False, help_text="Until when a budget in money refuses requests, since it was exceeded."
    )
    stopped_at_quantity = models.DecimalField(
        max_digits=38, decimal_places=9, null=True, editable=False, help_text="What was spent when it was exceeded."
    )
    created_at = models.DateTimeField(editable=False)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["tenant", "scope", "scope_id", "meter", "currency", "period"],
                nulls_distinct=False,
                name="budget_once",
            ),
            models.CheckConstraint(condition=Q(scope__in=BudgetScopes.values), name="budget_scope_known"),
            models.CheckConstraint(condition=Q(period__in=QuotaPeriod.values), name="budget_period_known"),
            models.CheckConstraint(condition=Q(scope="tenant") ^ ~Q(scope_id=""), name="budget_scope_named"),
            models.CheckConstraint(condition=Q(meter__isnull=True) ^ Q(currency=""), name="budget_measured_one_way"),
            models.CheckConstraint(condition=Q(limit__gt=0), name="budget_positive"),
            models.CheckConstraint(
                condition=Q(stopped_until_at=None, stopped_at_quantity=None)
                | (Q(stopped_until_at__isnull=False, stopped_at_quantity__isnull=False) & ~Q(currency="")),
                name="budget_stopped_whole",
            ),
        ]
        ordering: ClassVar = ["-created_at", "-id"]

    def __str__(self) -> str:
        measure = self.currency or str(self.meter)
        return f"{self.limit.normalize():f} {measure} a {Period(self.period).words}"
