"""The admin of usage pushed to payment providers that keep meters."""

from typing import ClassVar

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from unfold.contrib.filters.admin import ChoicesDropdownFilter, RangeDateTimeFilter
from unfold.decorators import display

from accounts.admin.base import ReadOnlyModelAdmin, holds, staff_actor
from accounts.domain.numbers import number_text
from accounts.errors import ProblemError
from billing.collection.models import UsagePush
from billing.collection.services.usage_push import retry_push

PUSH_LABELS = {"Pending": "info", "Delivered": "success", "Delivered before": "success", "Rejected": "danger"}


@admin.register(UsagePush)
class UsagePushAdmin(ReadOnlyModelAdmin):
    """Hourly totals as they were pushed to providers."""

    list_display = ("hour", "provider", "tenant", "meter", "shown_quantity", "revision", "state", "attempts", "error")
    list_filter = (("status", ChoicesDropdownFilter), "meter", ("hour", RangeDateTimeFilter))
    list_filter_submit = True
    list_select_related = ("tenant", "meter")
    search_fields = ("identifier", "tenant__slug")
    fields = (
        "provider", "tenant", "meter", "hour", "revision", "shown_quantity", "identifier", "state", "error", "attempts",
        "created_at", "finished_at",
    )  # fmt: skip
    readonly_fields = ("shown_quantity", "state")
    actions: ClassVar = ["retry_selected"]

    # Staff who may process providers' events again may push usage again.
    has_retry_permission = holds("collection.change_inboxevent")

    @admin.action(description="Try again", permissions=["retry"])
    def retry_selected(self, request: HttpRequest, queryset: QuerySet[UsagePush]) -> None:
        """Mark each of the chosen rejected pushes to be tried again with the next push."""
        for push in queryset:
            try:
                retry_push(push_id=push.pk, actor=staff_actor(request), as_of=timezone.now())
            except ProblemError as error:
                messages.error(request, f"{push.identifier}: {error.detail}")
            else:
                messages.success(request, f"{push.identifier} will be tried again with the next push.")

    @display(description="Quantity", ordering="quantity")
    def shown_quantity(self, push: UsagePush) -> str:
        """Return the quantity without trailing zeros."""
        return number_text(push.quantity)

    @display(description="Status", label=PUSH_LABELS, ordering="status")
    def state(self, push: UsagePush) -> str:
        """Return whether the provider has the push."""
        return str(push.get_status_display())
