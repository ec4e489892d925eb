"""Endpoints and deliveries of all tenants, read-only. Staff send a delivery again from here."""

from typing import ClassVar

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.safestring import SafeString
from unfold.admin import TabularInline
from unfold.contrib.filters.admin import ChoicesDropdownFilter, RangeDateTimeFilter
from unfold.decorators import action, display

from accounts.admin.base import Question, ReadOnlyModelAdmin, found_or_404, holds, staff_actor
from accounts.admin.by_state import ByState, ConfirmForm, posted
from accounts.admin.records import as_block
from accounts.domain.public_addresses import origin_of
from accounts.webhooks.domain.statuses import EndpointStatus
from accounts.webhooks.models import WebhookAttempt, WebhookDelivery, WebhookEndpoint
from accounts.webhooks.services.replaying import replay_delivery

ENDPOINT_LABELS = {"Active": "success", "Failing": "warning", "Paused": "info", "Disabled": "danger"}
DELIVERY_LABELS = {"Pending": "info", "Succeeded": "success", "Failed": "danger"}


@admin.register(WebhookEndpoint)
class WebhookEndpointAdmin(ReadOnlyModelAdmin):
    """Endpoints with their health. Path and query of a URL may hold a secret, so staff see its beginning."""

    list_display = ("tenant", "origin", "state", "failures", "failing_since", "last_succeeded_at", "due_at")
    list_filter = (("status", ChoicesDropdownFilter), "is_suspect", ("created_at", RangeDateTimeFilter))
    list_filter_submit = True
    list_select_related = ("tenant",)
    search_fields = ("tenant__slug", "description")
    fields = (
        "id", "tenant", "origin", "description", "event_types", "state", "disabled_because", "disabled_at", "failures",
        "failing_since", "last_failed_at", "last_succeeded_at", "is_suspect", "rests_until", "due_at", "leased_until",
        "last_sequence", "created_at",
    )  # fmt: skip
    readonly_fields = ("id", "origin", "state")

    @display(description="Host", ordering="url")
    def origin(self, endpoint: WebhookEndpoint) -> str:
        """Return the beginning of the URL."""
        return origin_of(endpoint.url)

    @display(description="State", label=ENDPOINT_LABELS, ordering="status")
    def state(self, endpoint: WebhookEndpoint) -> str:
        """Return the status, and whether an active endpoint is failing."""
        is_failing = endpoint.status == EndpointStatus.ACTIVE and endpoint.failures > 0
        return "Failing" if is_failing else str(endpoint.get_status_display())


class AttemptInline(TabularInline):
    """The attempts of a delivery."""

    model = WebhookAttempt
    fields = readonly_fields = ("at", "status_code", "error", "milliseconds", "response")
    extra = 0
    can_delete = False
    ordering = ("-at", "-id")

    def has_add_permission(self, request: HttpRequest, obj: object = None) -> bool:  # noqa: ARG002 - Django's signature
        """Refuse: only the sender adds attempts."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: object = None) -> bool:  # noqa: ARG002 - Django's signature
        """Refuse: an attempt stays as it was."""
        return False


@admin.register(WebhookDelivery)
class WebhookDeliveryAdmin(ByState, ReadOnlyModelAdmin):
    """Deliveries with their attempts."""

    list_display = ("created_at", "tenant", "event_type", "host", "state", "attempts_in_round", "next_attempt_at")
    list_filter = (("status", ChoicesDropdownFilter), "event_type", ("created_at", RangeDateTimeFilter))
    list_filter_submit = True
    list_select_related = ("tenant", "endpoint")
    search_fields = ("tenant__slug", "event__id")
    fields = (
        "id", "tenant", "host", "event_type", "event", "sequence", "state", "attempts_in_round", "replays",
        "next_attempt_at", "created_at", "ended_at", "payload",
    )  # fmt: skip
    readonly_fields = ("id", "host", "state", "payload")
    inlines = (AttemptInline,)
    actions_detail: ClassVar = ["replay"]

    @display(description="Host", ordering="endpoint__url")
    def host(self, delivery: WebhookDelivery) -> str:
        """Return the beginning of the endpoint's URL."""
        return origin_of(delivery.endpoint.url)

    @display(description="Status", label=DELIVERY_LABELS, ordering="status")
    def state(self, delivery: WebhookDelivery) -> str:
        """Return whether it arrived."""
        return str(delivery.get_status_display())

    @display(description="Data")
    def payload(self, delivery: WebhookDelivery) -> SafeString:
        """Render the event."""
        return as_block(delivery.event.payload)

    has_replay_permission = holds("webhooks.change_webhookdelivery")

    def offered(self, obj: WebhookDelivery) -> frozenset[str]:
        """Return the action to send it again, unless the endpoint is disabled."""
        return frozenset(() if obj.endpoint.status == EndpointStatus.DISABLED else {"replay"})

    @action(description="Send again", permissions=["replay"], icon="send")
    def replay(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Confirm, then send the delivery again."""
        delivery = found_or_404(WebhookDelivery.objects.select_related("endpoint"), object_id)
        return self.decide(
            request,
            delivery,
            ConfirmForm(posted(request)),
            lambda _: replay_delivery(delivery=delivery, actor=staff_actor(request), as_of=timezone.now()),
            name="replay",
            said="The event is sent again within a second.",
            question=Question(
                title=f"Send {delivery.event_type} again?",
                explanation=f"To {origin_of(delivery.endpoint.url)}, under the same message id.",
                button="Send again",
            ),
        )
