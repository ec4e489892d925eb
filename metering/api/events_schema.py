"""The schemas of events for the OpenAPI document only: events themselves pass through no serializer."""

from typing import Any, Final

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import (
    OpenApiParameter,
    OpenApiResponse,
    PolymorphicProxySerializer,
    extend_schema_field,
    inline_serializer,
)
from rest_framework import serializers

from accounts.api.fields import InstantField, QuantityField
from accounts.api.problems import CONTENT_TYPE
from accounts.api.schema import DESCRIPTIONS, ProblemSchema

QUANTITY_HELP: Final = "A decimal, as a string or a number: up to 20 digits, 9 of them after the point."

PROPERTIES_HELP: Final = "At most 50 names, 4 KiB in all; values are texts, numbers, booleans or null."


class EventSchema(serializers.Serializer[Any]):
    """One event, as it is sent."""

    id = serializers.CharField(
        max_length=255, help_text="An id that you choose. It identifies the event within the tenant, for ever."
    )
    type = serializers.CharField(max_length=100)
    timestamp = InstantField(required=False, help_text="RFC 3339 with an offset, or epoch milliseconds; default now.")
    quantity = QuantityField(required=False, help_text=QUANTITY_HELP)
    subject = serializers.CharField(max_length=255, required=False, allow_null=True)
    properties = serializers.DictField(required=False, help_text=PROPERTIES_HELP)
    tenant = serializers.SlugField(required=False, help_text="The tenant's slug. Only with a service key.")


class EventBatchSchema(serializers.Serializer[Any]):
    """Up to 5000 events."""

    events = EventSchema(many=True)


class EventStatusSchema(serializers.Serializer[Any]):
    """The outcome for one event."""

    id = serializers.CharField()
    status = serializers.ChoiceField(choices=["accepted", "duplicate"])


class RefusedItemSchema(serializers.Serializer[Any]):
    """One item that was not stored."""

    index = serializers.IntegerField()
    id = serializers.CharField(allow_null=True)
    code = serializers.CharField()
    detail = serializers.CharField()


class BatchOutcomeSchema(serializers.Serializer[Any]):
    """The outcome for a batch; `results` lists only refused items."""

    accepted = serializers.IntegerField()
    duplicates = serializers.IntegerField()
    rejected = serializers.IntegerField()
    results = RefusedItemSchema(many=True)


class BatchProblemSchema(ProblemSchema):
    """A problem; if a whole batch was refused, it also has the members of the response to a batch."""

    accepted = serializers.IntegerField(required=False)
    duplicates = serializers.IntegerField(required=False)
    rejected = serializers.IntegerField(required=False)
    results = RefusedItemSchema(many=True, required=False)


class VoidSchema(serializers.Serializer[Any]):
    """Why an event no longer counts."""

    reason = serializers.CharField()
    voided_by = serializers.CharField()
    voided_at = serializers.DateTimeField()


class StoredEventSchema(serializers.Serializer[Any]):
    """One row of the ledger."""

    id = serializers.CharField()
    type = serializers.CharField()
    timestamp = serializers.DateTimeField()
    quantity = serializers.DecimalField(max_digits=20, decimal_places=9)
    subject = serializers.CharField(allow_null=True)
    properties = serializers.DictField()
    api_key = serializers.UUIDField(allow_null=True)
    received_at = serializers.DateTimeField()
    void = VoidSchema(allow_null=True)


class VoidRequestSchema(serializers.Serializer[Any]):
    """Why the event is voided."""

    reason = serializers.CharField(max_length=500)


@extend_schema_field({"type": ["string", "integer"]})
class DigitsField(serializers.CharField):
    """A whole number that a gateway may write as a text."""


class AccessRecordSchema(serializers.Serializer[Any]):
    """One request, as a gateway logged it."""

    request_id = serializers.CharField(max_length=255)
    ip = serializers.CharField(required=False, allow_null=True)
    user = serializers.CharField(required=False, allow_null=True)
    request_time = DigitsField(
        required=False,
        allow_null=True,
        help_text="RFC 3339, epoch milliseconds, or as in 17/May/2015:10:05:03 +0000.",
    )
    http_method = serializers.CharField(required=False, allow_null=True)
    resource_path = serializers.CharField(required=False, allow_null=True)
    status = DigitsField(required=False, allow_null=True)
    protocol = serializers.CharField(required=False, allow_null=True)
    response_length = DigitsField(required=False, allow_null=True)


class AccessLogSchema(serializers.Serializer[Any]):
    """Up to 5000 records."""

    records = AccessRecordSchema(many=True)


EVENTS_BODY: Final = PolymorphicProxySerializer(
    "EventOrBatch", [EventSchema, EventBatchSchema], resource_type_field_name=None
)
EVENTS_ANSWER: Final = PolymorphicProxySerializer(
    "EventOrBatchOutcome", [EventStatusSchema, BatchOutcomeSchema], resource_type_field_name=None
)
BATCH_PROBLEM: Final[dict[Any, OpenApiResponse]] = {
    (422, CONTENT_TYPE): OpenApiResponse(BatchProblemSchema, description=DESCRIPTIONS[422])
}
EVENT_PAGE: Final = inline_serializer(
    "EventPage",
    {
        "data": StoredEventSchema(many=True),
        "next": serializers.URLField(allow_null=True),
        "previous": serializers.URLField(allow_null=True),
        "deleted_before": InstantField(allow_null=True, help_text="Raw events before this were deleted by a term."),
    },
)
LINE_EVENT_PAGE: Final = inline_serializer(
    "LineEventPage",
    {
        "data": StoredEventSchema(many=True),
        "next": serializers.URLField(allow_null=True),
        "previous": serializers.URLField(allow_null=True),
    },
)
EVENT_ID: Final = OpenApiParameter(
    "event_id",
    OpenApiTypes.STR,
    OpenApiParameter.PATH,
    description="The event's id, percent-encoded if needed.",
)
EVENT_FILTERS: Final = [
    OpenApiParameter("type", str, description="An event type."),
    OpenApiParameter("subject", str),
    OpenApiParameter("start", str, description="A time, or a day of the tenant's time zone: events from then on."),
    OpenApiParameter("end", str, description="A time, or a day of the tenant's time zone: events before it."),
]
