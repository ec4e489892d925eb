"""What Stripe sent and what became of it; what was pushed to it."""

from typing import Any, ClassVar

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.safestring import SafeString
from unfold.contrib.filters.admin import AllValuesCheckboxFilter, ChoicesDropdownFilter, RangeDateTimeFilter
from unfold.decorators import action, display

from accounts.admin.base import ReadOnlyModelAdmin, found_or_404, holds, staff_actor
from accounts.admin.by_state import ConfirmForm, posted
from accounts.admin.records import as_block
from accounts.domain.numbers import number_text
from accounts.errors import ProblemError
from billing.admin.base import MoneyAdmin
from billing.collection.services.inbox import reprocess
from billing.collection.services.usage_push import retry_push
from billing.models import StripeInboxEvent, UsagePush

INBOX_LABELS = {"Pending": "info", "Processed": "success", "Ignored": "primary", "Failed": "danger"}
PUSH_LABELS = {"Pending": "info", "Delivered": "success", "Delivered before": "success", "Rejected": "danger"}


@admin.register(StripeInboxEvent)
class StripeInboxAdmin(MoneyAdmin):
    """Events as Stripe sent them, each with what processing it did."""

    list_display = ("received_at", "shown_type", "state", "outcome", "attempts", "deliveries")
    list_filter = (
        ("status", ChoicesDropdownFilter),
        ("type", AllValuesCheckboxFilter),
        ("received_at", RangeDateTimeFilter),
    )
    list_filter_submit = True
    search_fields = ("id", "type", "outcome")
    search_help_text = "Stripe's id, a type, or what came of it."
    fields = (
        "id", "type", "state", "outcome", "error", "attempts", "deliveries", "received_at", "next_attempt_at", "processed_at",
        "shown_payload",
    )  # fmt: skip
    readonly_fields = ("state", "shown_payload")
    actions: ClassVar = ["reprocess_selected"]
    actions_detail: ClassVar = ["reprocess"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """A list needs no payloads."""
        rows: QuerySet[Any] = super().get_queryset(request)
        is_list = request.resolver_match is not None and str(request.resolver_match.url_name).endswith("_changelist")
        return rows.defer("payload", "error") if is_list else rows

    @display(description="Event", header=True, ordering="type")
    def shown_type(self, event: StripeInboxEvent) -> list[str]:
        """What it is about, above Stripe's id."""
        return [event.type, event.pk]

    @display(description="Status", label=INBOX_LABELS, ordering="status")
    def state(self, event: StripeInboxEvent) -> str:
        """What became of it."""
        return str(event.get_status_display())

    @display(description="Payload")
    def shown_payload(self, event: StripeInboxEvent) -> SafeString:
        """As it was sent."""
        return as_block(event.payload)

    has_reprocess_permission = holds("billing.change_stripeinboxevent")

    @action(description="Reprocess", permissions=["reprocess"], icon="replay")
    def reprocess(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Ask, and have it processed once more."""
        event = found_or_404(StripeInboxEvent.objects.all(), object_id)
        return self.decide(
            request, event, ConfirmForm(posted(request)),
            lambda _: reprocess(event_id=event.pk, actor=staff_actor(request), as_of=timezone.now()),
            name="reprocess",
            said=lambda done: f"{done.type}: {done.get_status_display().lower()}. {done.outcome}",
            title=f"Process {event.type} again?",
            explanation="What it is about is read from Stripe as it is now, and applied. What has been applied before changes nothing.",
            button="Reprocess",
        )  # fmt: skip

    @admin.action(description="Reprocess", permissions=["reprocess"])
    def reprocess_selected(self, request: HttpRequest, queryset: QuerySet[StripeInboxEvent]) -> None:
        """The chosen ones, each for itself."""
        for event in queryset:
            try:
                done = reprocess(event_id=event.pk, actor=staff_actor(request), as_of=timezone.now())
            except ProblemError as error:
                messages.error(request, f"{event.pk}: {error.detail}")
            else:
                messages.success(request, f"{event.pk}: {done.get_status_display().lower()}. {done.outcome}")


@admin.register(UsagePush)
class UsagePushAdmin(ReadOnlyModelAdmin):
    """Hourly totals as they were pushed to Stripe."""

    list_display = ("hour", "tenant", "meter", "shown_quantity", "revision", "state", "attempts", "error")
    list_filter = (("status", ChoicesDropdownFilter), "meter", ("hour", RangeDateTimeFilter))
    list_filter_submit = True
    list_select_related = ("tenant", "meter")
    search_fields = ("identifier", "tenant__slug")
    fields = (
        "tenant", "meter", "hour", "revision", "shown_quantity", "identifier", "state", "error", "attempts", "created_at", "finished_at",
    )  # fmt: skip
    readonly_fields = ("shown_quantity", "state")
    actions: ClassVar = ["retry_selected"]

    # Whoever may have Stripe's events processed again may have usage pushed again.
    has_retry_permission = holds("billing.change_stripeinboxevent")

    @admin.action(description="Try again", permissions=["retry"])
    def retry_selected(self, request: HttpRequest, queryset: QuerySet[UsagePush]) -> None:
        """Those that Stripe rejected, each for itself, with the next push."""
        for push in queryset:
            try:
                retry_push(push_id=push.pk, actor=staff_actor(request), as_of=timezone.now())
            except ProblemError as error:
                messages.error(request, f"{push.identifier}: {error.detail}")
            else:
                messages.success(request, f"{push.identifier} is tried again with the next push.")

    @display(description="Quantity", ordering="quantity")
    def shown_quantity(self, push: UsagePush) -> str:
        """Without zeros that say nothing."""
        return number_text(push.quantity)

    @display(description="Status", label=PUSH_LABELS, ordering="status")
    def state(self, push: UsagePush) -> str:
        """Whether Stripe has it."""
        return str(push.get_status_display())
