"""What customers ask about lines of their invoices, and what staff decided.

A question never changes, and what was decided stays decided: `billing/desk/migrations/line_questions.sql` holds that.
"""

from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models import F, Q

from accounts.models import Tenant
from billing.desk.domain.line_questions import QuestionStatus
from billing.models import CreditNote, Invoice


class LineQuestion(models.Model):
    """A question about a line: why, and which events are meant. `events` has of each its id and source."""

    id = models.UUIDField(primary_key=True, editable=False)
    tenant = models.ForeignKey(Tenant, on_delete=models.PROTECT, related_name="line_questions")
    invoice = models.ForeignKey(Invoice, on_delete=models.PROTECT, related_name="line_questions")
    position = models.PositiveIntegerField(help_text="The position of the line on the invoice.")
    description = models.CharField(max_length=300, help_text="The line's description.")
    reason = models.CharField(max_length=1000)
    events = models.JSONField(default=list)
    status = models.CharField(
        max_length=9,
        choices=[(status.value, status.value.capitalize()) for status in QuestionStatus],
        default=QuestionStatus.OPEN.value,
    )
    asker = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    asked_at = models.DateTimeField()
    decider = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+")
    decided_at = models.DateTimeField(null=True)
    answer = models.CharField(max_length=1000, blank=True)
    events_voided = models.PositiveIntegerField(default=0)
    credit_note = models.OneToOneField(CreditNote, null=True, on_delete=models.PROTECT, related_name="line_question")

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(condition=Q(status__in=list(QuestionStatus)), name="line_question_status_known"),
            models.CheckConstraint(condition=~Q(reason=""), name="line_question_has_reason"),
            models.CheckConstraint(
                condition=Q(status=QuestionStatus.OPEN, decided_at=None, decider=None)
                | (~Q(status=QuestionStatus.OPEN) & Q(decided_at__gte=F("asked_at"), decider__isnull=False)),
                name="line_question_decided_has_time",
            ),
            models.CheckConstraint(
                condition=Q(status=QuestionStatus.ACCEPTED) | Q(credit_note=None, events_voided=0),
                name="line_question_credits_if_accepted",
            ),
            models.CheckConstraint(
                condition=~Q(status__in=[QuestionStatus.ACCEPTED, QuestionStatus.ANSWERED, QuestionStatus.REJECTED])
                | ~Q(answer=""),
                name="line_question_decided_has_answer",
            ),
            models.UniqueConstraint(
                fields=["invoice", "position"],
                condition=Q(status=QuestionStatus.OPEN),
                name="line_question_open_once",
            ),
        ]
        ordering: ClassVar = ["-asked_at", "-id"]

    def __str__(self) -> str:
        return f"Question about line {self.position} of {self.invoice.number}"
