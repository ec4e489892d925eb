"""The editor of dunning schedules."""

from collections.abc import Mapping
from typing import Any, ClassVar

from django import forms
from django.contrib import admin
from django.core.exceptions import ValidationError
from django.db.models import Count, Model, QuerySet
from django.http import HttpRequest
from django.utils import timezone
from unfold.decorators import display
from unfold.widgets import UnfoldAdminSelectMultipleWidget, UnfoldAdminTextInputWidget

from accounts.admin.base import StaffModelAdmin, staff_actor
from accounts.admin.refusals import show_refusals
from billing.dunning.models import DunningSchedule
from billing.dunning.services.schedules import check_schedule, delete_schedule, save_schedule
from billing.models import Plan


class DaysField(forms.CharField):
    """Days as staff type them, as in 1, 3, 5, 7."""

    widget = UnfoldAdminTextInputWidget

    def prepare_value(self, value: Any) -> Any:
        """Return the days as a text."""
        return ", ".join(str(day) for day in value) if isinstance(value, list) else value

    def clean(self, value: Any) -> Any:
        """Return the days as numbers."""
        parts = [part for part in str(value or "").replace(",", " ").split() if part]
        if not all(part.isascii() and part.isdigit() and len(part) <= 3 for part in parts):  # noqa: PLR2004 - 365 has three
            raise ValidationError("Days as numbers, as in 1, 3, 5, 7.")
        return [int(part) for part in parts]


class ScheduleForm(forms.ModelForm):  # type: ignore[type-arg]  # Django's own is not generic at run time
    """A schedule: its days, what customers may do meanwhile, and what a late payment costs."""

    retry_days = DaysField(
        required=False, label="Charge the card again on days", help_text="After the failed payment, as in 1, 3, 5, 7."
    )
    reminder_days = DaysField(
        required=False, label="Remind of transfers on days", help_text="After the due date, as in 1, 7, 14."
    )
    followed_by = forms.ModelMultipleChoiceField(
        queryset=Plan.objects.none(),
        required=False,
        label="Plans",
        widget=UnfoldAdminSelectMultipleWidget,
        help_text="Other plans follow the default schedule.",
    )

    class Meta:
        model = DunningSchedule
        fields = (
            "name", "followed_by", "retry_days", "reminder_days", "suspend_on_day", "cancel_on_day",
            "warn_before_days", "past_due_may_use", "past_due_may_change_plan", "suspended_may_use",
            "suspended_may_change_plan", "fee_on_day", "fee", "fee_currency", "interest_percent",
        )  # fmt: skip

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "followed_by" in self.fields:
            self.fields["followed_by"].queryset = Plan.objects.order_by("position", "name")  # type: ignore[attr-defined]
            if self.instance.pk:
                self.initial["followed_by"] = list(Plan.objects.filter(dunning__schedule=self.instance))

    def clean(self) -> dict[str, Any]:
        """Show the service's errors at their fields."""
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        if not self.errors:
            show_refusals(self, lambda: check_schedule(cleaned))
        return cleaned


@admin.register(DunningSchedule)
class DunningScheduleAdmin(StaffModelAdmin):
    """What happens on which day after a payment failed or a due date passed."""

    form = ScheduleForm
    list_display = (
        "name",
        "is_default",
        "shown_retries",
        "shown_reminders",
        "suspend_on_day",
        "cancel_on_day",
        "plans",
    )
    search_fields = ("name",)
    actions: ClassVar[list[Any]] = []
    fieldsets = (
        (None, {"fields": ("name", "followed_by")}),
        ("Days", {"fields": ("retry_days", "reminder_days", "suspend_on_day", "cancel_on_day", "warn_before_days")}),
        (
            "What customers may do",
            {
                "fields": (
                    "past_due_may_use", "past_due_may_change_plan", "suspended_may_use", "suspended_may_change_plan",
                )
            },
        ),
        ("What a late payment costs", {"fields": ("fee_on_day", "fee", "fee_currency", "interest_percent")}),
    )  # fmt: skip

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Return the schedules with the number of their plans."""
        rows: QuerySet[Any] = super().get_queryset(request)
        rows = rows.annotate(plan_total=Count("plans"))
        return rows

    @display(description="Charges again on days", empty_value="never")
    def shown_retries(self, schedule: DunningSchedule) -> str | None:
        """Return the days of retries."""
        return ", ".join(str(day) for day in schedule.retry_days) or None

    @display(description="Reminds on days", empty_value="never")
    def shown_reminders(self, schedule: DunningSchedule) -> str | None:
        """Return the days of reminders."""
        return ", ".join(str(day) for day in schedule.reminder_days) or None

    @display(description="Plans", ordering="plan_total")
    def plans(self, schedule: Any) -> str:
        """Return how many plans follow it."""
        return "all others" if schedule.is_default else str(schedule.plan_total)

    def has_delete_permission(self, request: HttpRequest, obj: DunningSchedule | None = None) -> bool:
        """Return False for the default schedule and for one that invoices were followed up by."""
        allowed = bool(super().has_delete_permission(request, obj))
        return allowed and (obj is None or not (obj.is_default or obj.cases.exists()))

    def audit(
        self, request: HttpRequest, obj: Model, verb: str, *, before: Mapping[str, object], after: Mapping[str, object]
    ) -> None:
        """Skip: the service that the page calls writes the entry."""

    def save_model(
        self,
        request: HttpRequest,
        obj: DunningSchedule,
        form: "forms.ModelForm[DunningSchedule]",
        change: bool,  # noqa: FBT001 - Django's signature
    ) -> None:
        """Save through the service, which writes the audit entry."""
        stored = DunningSchedule.objects.get(pk=obj.pk) if change else None
        saved = save_schedule(
            schedule=stored, changes=form.cleaned_data, plans=list(form.cleaned_data["followed_by"]),
            actor=staff_actor(request), as_of=timezone.now(),
        )  # fmt: skip
        obj.pk = saved.pk

    def delete_model(self, request: HttpRequest, obj: Any) -> None:
        """Delete through the service, which writes the audit entry."""
        delete_schedule(schedule=obj, actor=staff_actor(request), as_of=timezone.now())
