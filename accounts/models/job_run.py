"""The runs of jobs: the rows that the admin shows beside a schedule."""

from typing import ClassVar

from django.db import models
from django.db.models import Q


class JobOutcome(models.TextChoices):
    """How a run ended. A killed run stays `running` and is shown so."""

    RUNNING = "running", "Running"
    SUCCEEDED = "succeeded", "Succeeded"
    ATTENTION = "attention", "Needs attention"
    FAILED = "failed", "Failed"


class JobRun(models.Model):
    """One run of a named job, scheduled or started by hand."""

    name = models.CharField(max_length=60)
    started_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True)
    outcome = models.CharField(max_length=10, choices=JobOutcome.choices, default=JobOutcome.RUNNING)
    started_by = models.CharField(max_length=254, default="schedule")
    summary = models.JSONField(default=dict)

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(condition=Q(outcome__in=JobOutcome.values), name="job_run_outcome_known"),
            models.CheckConstraint(
                condition=Q(outcome=JobOutcome.RUNNING, finished_at=None)
                | (~Q(outcome=JobOutcome.RUNNING) & Q(finished_at__isnull=False)),
                name="job_run_finished_has_outcome",
            ),
        ]
        indexes: ClassVar = [models.Index(fields=["name", "-started_at"], name="job_run_by_name")]
        ordering: ClassVar = ["-started_at", "-id"]

    def __str__(self) -> str:
        return f"{self.name} {self.outcome}"
