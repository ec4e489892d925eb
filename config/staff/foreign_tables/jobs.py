"""Schedules, tasks and the queue of django-q2. Schedules are run, paused and resumed here, never edited."""

from typing import Any, ClassVar

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django_q.models import Failure, OrmQ, Schedule, Success, Task
from unfold.decorators import display

from accounts.admin.base import ReadOnlyModelAdmin, staff_actor
from accounts.admin.records import OUTCOME_LABELS
from accounts.services.audit import AuditTarget, record_audit
from config.operations.queue import dismiss, try_again
from config.operations.schedules import (
    REPEATS_FOR_EVER,
    REPEATS_WHEN_PAUSED,
    job_states,
    pause,
    planned_job,
    resume,
    run_soon,
)

RESULT_CHARACTERS_MAX = 160

for _model in (Schedule, Success, Failure, OrmQ):
    admin.site.unregister(_model)


class TaskTableAdmin(ReadOnlyModelAdmin):
    """The base of the pages of django-q2's tables."""

    def note(self, request: HttpRequest, action: str, row: Any, after: dict[str, object]) -> None:
        """Record the audit entry of an action."""
        record_audit(
            actor=staff_actor(request),
            action=action,
            tenant_id=None,
            target=AuditTarget("job", row.pk, str(row.name)),
            after=after,
            as_of=timezone.now(),
        )


@admin.register(Schedule)
class ScheduleAdmin(TaskTableAdmin):
    """The planned jobs. A malformed row would stop every schedule, so rows are not edited here."""

    list_display = ("title", "cron", "next_run", "last_run", "outcome", "is_running_by_itself")
    search_fields = ("name", "func")
    ordering = ("next_run",)
    actions: ClassVar = ["run_now", "pause", "resume"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Schedule]:
        """Return the schedules, and load the latest runs once for all rows."""
        self._states = {state.job.name: state for state in job_states(as_of=timezone.now())}
        rows: QuerySet[Schedule] = super().get_queryset(request)
        return rows

    def has_run_permission(self, request: HttpRequest) -> bool:
        """Return whether the user may start and pause jobs."""
        return bool(request.user.has_perm("django_q.change_schedule"))

    @display(description="Job", header=True, ordering="name")
    def title(self, schedule: Schedule) -> list[str]:
        """Return the job's title and its name."""
        job = planned_job(schedule.name or "")
        return [job.title if job else str(schedule.name), schedule.func]

    @display(description="Last run")
    def last_run(self, schedule: Schedule) -> SafeString | str:
        """Render when the job last ran, with a link to its record."""
        state = self._states.get(schedule.name or "")
        if state is None or state.run is None:
            return "never"
        url = reverse("admin:accounts_jobrun_change", args=[state.run.pk])
        return format_html('<a href="{}">{}</a>', url, f"{state.run.started_at:%Y-%m-%d %H:%M} UTC")

    @display(description="Outcome", label=OUTCOME_LABELS)
    def outcome(self, schedule: Schedule) -> str | None:
        """Return how the last run ended."""
        state = self._states.get(schedule.name or "")
        return None if state is None or state.run is None else state.run.get_outcome_display()

    @display(description="Active", boolean=True)
    def is_running_by_itself(self, schedule: Schedule) -> bool:
        """Return whether the job is not paused."""
        return bool(schedule.repeats != REPEATS_WHEN_PAUSED)

    @admin.action(description="Run now", permissions=["run"])
    def run_now(self, request: HttpRequest, queryset: QuerySet[Schedule]) -> None:
        """Queue the chosen jobs to run now."""
        for schedule in queryset:
            job = planned_job(schedule.name or "")
            if job is not None:
                run_soon(job=job, started_by=staff_actor(request).label)
                self.note(request, "job.started", schedule, {"task": job.task})
                messages.success(request, f"{job.title} is queued. Its run is shown here in a moment.")

    @admin.action(description="Pause", permissions=["run"])
    def pause(self, request: HttpRequest, queryset: QuerySet[Schedule]) -> None:
        """Pause the chosen jobs until they are resumed."""
        for schedule in queryset.exclude(repeats=REPEATS_WHEN_PAUSED):
            pause(schedule)
            self._say(request, schedule, "job.paused", REPEATS_WHEN_PAUSED)

    @admin.action(description="Resume", permissions=["run"])
    def resume(self, request: HttpRequest, queryset: QuerySet[Schedule]) -> None:
        """Resume the chosen jobs."""
        for schedule in queryset.exclude(repeats=REPEATS_FOR_EVER):
            resume(schedule)
            self._say(request, schedule, "job.resumed", REPEATS_FOR_EVER)

    def _say(self, request: HttpRequest, schedule: Schedule, action: str, repeats: int) -> None:
        self.note(request, action, schedule, {"repeats": repeats})
        messages.success(request, f"{schedule.name}: {action.removeprefix('job.')}.")


@admin.register(Success)
class FinishedTaskAdmin(TaskTableAdmin):
    """The tasks that were completed."""

    list_display = ("name", "func", "started", "seconds", "attempt_count")
    list_filter = ("group",)
    search_fields = ("name", "func", "group")

    @display(description="Took")
    def seconds(self, task: Task) -> str:
        """Return how long the task ran."""
        return f"{task.time_taken():.2f} s"


@admin.register(Failure)
class FailedTaskAdmin(TaskTableAdmin):
    """The tasks that failed."""

    list_display = ("name", "func", "started", "attempt_count", "reason")
    search_fields = ("name", "func", "group")
    actions: ClassVar = ["retry", "dismiss"]

    def has_retry_permission(self, request: HttpRequest) -> bool:
        """Return whether the user may retry or dismiss failed tasks."""
        return bool(request.user.has_perm("django_q.change_failure"))

    @display(description="Why")
    def reason(self, task: Task) -> str:
        """Return the last line of the error."""
        lines = str(task.result or "").strip().splitlines()
        return lines[-1][:RESULT_CHARACTERS_MAX] if lines else ""

    @admin.action(description="Try again", permissions=["retry"])
    def retry(self, request: HttpRequest, queryset: QuerySet[Task]) -> None:
        """Return the chosen tasks to the queue, once each."""
        for task in queryset:
            self.note(request, "task.retried", task, {"func": task.func})
            try_again(task)
            messages.success(request, f"{task.name} is back in the queue.")

    @admin.action(description="Dismiss", permissions=["retry"])
    def dismiss(self, request: HttpRequest, queryset: QuerySet[Task]) -> None:
        """Delete the chosen failures."""
        for task in queryset:
            self.note(request, "task.dismissed", task, {"func": task.func})
            dismiss(task)
            messages.success(request, f"{task.name} is dismissed.")


@admin.register(OrmQ)
class QueueAdmin(TaskTableAdmin):
    """The tasks that wait or are running."""

    list_display = ("id", "name", "func", "group", "lock", "is_taken")
    fields = ("key", "task_id", "name", "group", "func", "lock")
    readonly_fields = fields

    @display(description="Running", boolean=True)
    def is_taken(self, row: OrmQ) -> bool:
        """Return whether a worker has taken the task."""
        return row.lock is not None and row.lock > timezone.now()
