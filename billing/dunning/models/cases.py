"""Unpaid invoices that are followed up, each step of it, and pauses that staff decided.

Cases and steps are kept for good: they show what was done about an invoice, and when.
"""

from typing import ClassVar

from django.db import models
from django.db.models import F, Q

from accounts.models import Tenant
from billing.dunning.domain.states import UNPAID_STATUSES, CaseKind, CaseStatus, ServiceStage, StepKind, StepStatus
from billing.dunning.models.schedules import DunningSchedule
from billing.models import Invoice, Subscription

REASON_CHARACTERS_MAX = 200


def _choices(
    values: type[CaseKind] | type[CaseStatus] | type[ServiceStage] | type[StepKind] | type[StepStatus],
) -> list[tuple[str, str]]:
    return [(one.value, one.value.replace("_", " ").capitalize()) for one in values]


class DunningCase(models.Model):
    """One unpaid invoice from its failed payment or due date until it is settled.

    `declined_card` is the card that its bank declined for good; it is not charged again.
    """

    tenant = models.ForeignKey(Tenant, on_delete=models.PROTECT, related_name="dunning_cases")
    subscription = models.ForeignKey(Subscription, on_delete=models.PROTECT, related_name="dunning_cases")
    invoice = models.ForeignKey(Invoice, on_delete=models.PROTECT, related_name="dunning_cases")
    schedule = models.ForeignKey(DunningSchedule, on_delete=models.PROTECT, related_name="cases")
    kind = models.CharField(max_length=8, choices=_choices(CaseKind))
    status = models.CharField(max_length=9, choices=_choices(CaseStatus), default=CaseStatus.OPEN.value)
    stage = models.CharField(max_length=9, choices=_choices(ServiceStage), default=ServiceStage.PAST_DUE.value)
    declined_card = models.CharField(max_length=60, blank=True)
    has_suspended = models.BooleanField(default=False, help_text="Whether it suspended the customer, and not staff.")
    opened_at = models.DateTimeField()
    closed_at = models.DateTimeField(null=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["invoice"], condition=Q(closed_at=None), name="dunning_case_one_of_an_invoice"
            ),
            models.CheckConstraint(condition=Q(kind__in=list(CaseKind)), name="dunning_case_kind_known"),
            models.CheckConstraint(condition=Q(stage__in=list(ServiceStage)), name="dunning_case_stage_known"),
            models.CheckConstraint(
                condition=Q(status__in=sorted(UNPAID_STATUSES), closed_at=None)
                | Q(status__in=[CaseStatus.RECOVERED, CaseStatus.CLOSED], closed_at__isnull=False),
                name="dunning_case_closed_has_time",
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=["subscription"], condition=Q(closed_at=None), name="dunning_case_of_subscription")
        ]
        ordering: ClassVar = ["-opened_at", "-id"]

    def __str__(self) -> str:
        return f"Dunning of {self.invoice}"


class DunningStep(models.Model):
    """One step of a case: planned with it, run once, and its outcome."""

    case = models.ForeignKey(DunningCase, on_delete=models.PROTECT, related_name="steps")
    position = models.PositiveSmallIntegerField()
    kind = models.CharField(max_length=8, choices=_choices(StepKind))
    status = models.CharField(max_length=7, choices=_choices(StepStatus), default=StepStatus.PLANNED.value)
    due_at = models.DateTimeField()
    attempts = models.PositiveSmallIntegerField(default=0)
    started_at = models.DateTimeField(null=True)
    done_at = models.DateTimeField(null=True)
    outcome = models.CharField(max_length=300, blank=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["case", "position"], name="dunning_step_once"),
            models.UniqueConstraint(
                fields=["case"], condition=Q(status=StepStatus.RUNNING), name="dunning_step_one_running"
            ),
            models.CheckConstraint(condition=Q(kind__in=list(StepKind)), name="dunning_step_kind_known"),
            models.CheckConstraint(
                condition=Q(status=StepStatus.PLANNED, done_at=None)
                | Q(status=StepStatus.RUNNING, done_at=None, started_at__isnull=False)
                | (Q(status__in=[StepStatus.DONE, StepStatus.SKIPPED], done_at__isnull=False) & ~Q(outcome="")),
                name="dunning_step_done_has_outcome",
            ),
        ]
        indexes: ClassVar = [
            models.Index(
                fields=["due_at"],
                condition=Q(status__in=[StepStatus.PLANNED, StepStatus.RUNNING]),
                name="dunning_step_due",
            )
        ]
        ordering: ClassVar = ["case", "position"]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} on {self.due_at:%Y-%m-%d}"


class DunningPause(models.Model):
    """A pause of a tenant's dunning: no step runs, and afterwards all steps are later by its length."""

    tenant = models.ForeignKey(Tenant, on_delete=models.PROTECT, related_name="dunning_pauses")
    reason = models.CharField(max_length=REASON_CHARACTERS_MAX)
    paused_at = models.DateTimeField()
    paused_by = models.CharField(max_length=254)
    ended_at = models.DateTimeField(null=True)
    ended_by = models.CharField(max_length=254, blank=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["tenant"], condition=Q(ended_at=None), name="dunning_pause_one"),
            models.CheckConstraint(condition=~Q(reason=""), name="dunning_pause_has_reason"),
            models.CheckConstraint(
                condition=Q(ended_at=None) | Q(ended_at__gte=F("paused_at")), name="dunning_pause_in_order"
            ),
        ]
        ordering: ClassVar = ["-paused_at", "-id"]

    def __str__(self) -> str:
        return f"Pause of {self.tenant}"
