"""Dunning schedules, and the plans that have one of their own. Cases keep the steps that they were opened with."""

from typing import ClassVar

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Q

from billing.dunning.domain.schedules import DAY_MAX, INTEREST_PERCENT_MAX, ScheduleTerms
from billing.models import Plan
from billing.models.catalog import CURRENCY


class DunningSchedule(models.Model):
    """What happens on which day after a payment failed or a due date passed, and what the customer may still do."""

    name = models.CharField(max_length=80, unique=True)
    is_default = models.BooleanField(
        default=False, editable=False, help_text="Whether plans without a schedule of their own follow it."
    )
    retry_days = ArrayField(
        models.PositiveSmallIntegerField(), default=list, blank=True,
        help_text="The days after a failed payment on which the card is charged again.",
    )  # fmt: skip
    reminder_days = ArrayField(
        models.PositiveSmallIntegerField(), default=list, blank=True,
        help_text="The days after the due date on which customers who pay by transfer are reminded.",
    )  # fmt: skip
    suspend_on_day = models.PositiveSmallIntegerField(
        "suspend on day", null=True, blank=True, help_text="Empty: never."
    )
    cancel_on_day = models.PositiveSmallIntegerField("cancel on day", null=True, blank=True, help_text="Empty: never.")
    warn_before_days = models.PositiveSmallIntegerField(
        "announce the cancellation before", null=True, blank=True, help_text="Days before. Empty: no announcement."
    )
    past_due_may_use = models.BooleanField(
        "past due customers may use the service", default=True, help_text="Otherwise their keys can only read."
    )
    past_due_may_change_plan = models.BooleanField("past due customers may change their plan", default=True)
    suspended_may_use = models.BooleanField(
        "suspended customers may use the service", default=False, help_text="Otherwise their keys can only read."
    )
    suspended_may_change_plan = models.BooleanField("suspended customers may change their plan", default=False)
    fee_on_day = models.PositiveSmallIntegerField(
        "charge a fee on day", null=True, blank=True, help_text="Empty: no fee. It is a line of the next invoice."
    )
    fee = models.DecimalField(
        max_digits=12, decimal_places=4, null=True, blank=True, help_text="Without tax, which it does not bear."
    )
    fee_currency = models.CharField(
        max_length=3, blank=True, validators=[CURRENCY], help_text="Invoices in other currencies bear no fee."
    )
    interest_percent = models.DecimalField(
        "interest a year in percent", max_digits=7, decimal_places=4, null=True, blank=True,
        help_text="Empty: none. A line of the next invoice once the late one is paid.",
    )  # fmt: skip
    created_at = models.DateTimeField(editable=False)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["is_default"], condition=Q(is_default=True), name="dunning_schedule_one_default"
            ),
            models.CheckConstraint(
                condition=Q(suspend_on_day=None) | Q(suspend_on_day__gte=1, suspend_on_day__lte=DAY_MAX),
                name="dunning_schedule_suspend_day_bounded",
            ),
            models.CheckConstraint(
                condition=Q(cancel_on_day=None)
                | Q(cancel_on_day__gte=1, cancel_on_day__lte=DAY_MAX, suspend_on_day=None)
                | Q(cancel_on_day__lte=DAY_MAX, cancel_on_day__gt=F("suspend_on_day")),
                name="dunning_schedule_cancels_after_suspension",
            ),
            models.CheckConstraint(
                condition=Q(warn_before_days=None)
                | Q(cancel_on_day__isnull=False, warn_before_days__gte=1, warn_before_days__lt=F("cancel_on_day")),
                name="dunning_schedule_warns_before_cancelling",
            ),
            models.CheckConstraint(
                condition=Q(fee_on_day=None, fee=None, fee_currency="")
                | Q(fee_on_day__gte=1, fee_on_day__lte=DAY_MAX, fee__gt=0, fee_currency__regex="^[A-Z]{3}$"),
                name="dunning_schedule_fee_is_whole",
            ),
            models.CheckConstraint(
                condition=Q(interest_percent=None)
                | Q(interest_percent__gt=0, interest_percent__lte=INTEREST_PERCENT_MAX),
                name="dunning_schedule_interest_bounded",
            ),
        ]
        ordering: ClassVar = ["-is_default", "name"]

    def __str__(self) -> str:
        return self.name

    @property
    def terms(self) -> ScheduleTerms:
        """Return its days as a value."""
        return ScheduleTerms(
            tuple(self.retry_days),
            tuple(self.reminder_days),
            self.suspend_on_day,
            self.cancel_on_day,
            self.warn_before_days,
            self.fee_on_day,
        )


class PlanDunning(models.Model):
    """The schedule of a plan. A plan without a row follows the default schedule."""

    plan = models.OneToOneField(Plan, on_delete=models.CASCADE, primary_key=True, related_name="dunning")
    schedule = models.ForeignKey(DunningSchedule, on_delete=models.CASCADE, related_name="plans")

    class Meta:
        verbose_name = "plan"

    def __str__(self) -> str:
        return f"{self.plan}: {self.schedule}"
