"""The admin of events that payment providers delivered."""

from typing import Any, ClassVar

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.safestring import SafeString
from unfold.contrib.filters.admin import AllValuesCheckboxFilter, ChoicesDropdownFilter, RangeDateTimeFilter
from unfold.decorators import action, display

from accounts.admin.base import Question, found_or_404, holds, staff_actor
from accounts.admin.by_state import ConfirmForm, posted
from accounts.admin.records import as_block
from accounts.errors import ProblemError
from billing.admin.base import MoneyAdmin
from billing.collection.models import InboxEvent
from billing.collection.services.inbox import reprocess

INBOX_LABELS = {"Pending": "info", "Processed": "success", "Ignored": "primary", "Failed": "danger"}


@admin.register(InboxEvent)
class InboxEventAdmin(MoneyAdmin):
    """Events as providers sent them, each with the result of its processing."""

    list_display = ("received_at", "shown_type", "provider", "state", "outcome", "attempts", "deliveries")
    list_filter = (
        ("status", ChoicesDropdownFilter),
        "provider",
        ("type", AllValuesCheckboxFilter),
        ("received_at", RangeDateTimeFilter),
    )
    list_filter_submit = True
    search_fields = ("event_id", "type", "outcome")
    search_help_text = "The provider's id, a type, or the result."
    fields = (
        "provider", "event_id", "type", "state", "outcome", "error", "attempts", "deliveries",
        "received_at", "next_attempt_at", "processed_at",
        "shown_payload",
    )  # fmt: skip
    readonly_fields = ("state", "shown_payload")
    actions: ClassVar = ["reprocess_selected"]
    actions_detail: ClassVar = ["reprocess"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Return events without payloads, which the list does not need."""
        rows: QuerySet[Any] = super().get_queryset(request)
        is_list = request.resolver_match is not None and str(request.resolver_match.url_name).endswith("_changelist")
        return rows.defer("payload", "error") if is_list else rows

    @display(description="Event", header=True, ordering="type")
    def shown_type(self, event: InboxEvent) -> list[str]:
        """Return the event's type and, below it, the provider's id."""
        return [event.type, event.event_id]

    @display(description="Status", label=INBOX_LABELS, ordering="status")
    def state(self, event: InboxEvent) -> str:
        """Return the status of the event."""
        return str(event.get_status_display())

    @display(description="Payload")
    def shown_payload(self, event: InboxEvent) -> SafeString:
        """Return the payload as it was sent."""
        return as_block(event.payload)

    has_reprocess_permission = holds("collection.change_inboxevent")

    @action(description="Reprocess", permissions=["reprocess"], icon="replay")
    def reprocess(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Confirm first, then process the event again."""
        event = found_or_404(InboxEvent.objects.all(), object_id)
        return self.decide(
            request,
            event,
            ConfirmForm(posted(request)),
            lambda _: reprocess(inbox_event_id=event.pk, actor=staff_actor(request), as_of=timezone.now()),
            name="reprocess",
            said=lambda done: f"{done.type}: {done.get_status_display().lower()}. {done.outcome}",
            question=Question(
                title=f"Process {event.type} again?",
                explanation="The current state of the object is read from the provider and applied. If it was already "
                "applied, nothing changes.",
                button="Reprocess",
            ),
        )

    @admin.action(description="Reprocess", permissions=["reprocess"])
    def reprocess_selected(self, request: HttpRequest, queryset: QuerySet[InboxEvent]) -> None:
        """Process each of the chosen events again."""
        for event in queryset:
            try:
                done = reprocess(inbox_event_id=event.pk, actor=staff_actor(request), as_of=timezone.now())
            except ProblemError as error:
                messages.error(request, f"{event.event_id}: {error.detail}")
            else:
                messages.success(request, f"{event.event_id}: {done.get_status_display().lower()}. {done.outcome}")
