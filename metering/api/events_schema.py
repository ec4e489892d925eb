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
    properties = serializers.DictField(required=False, allow_null=True, help_text=PROPERTIES_HELP)
    tenant = serializers.SlugField(
        required=False, allow_null=True, help_text="The tenant's slug. Only with a service key."
    )


class EventBatchSchema(serializers.Serializer[Any]):
    """Up to 5000 events."""

    events = EventSchema(many=True)


class BillingEventSchema(serializers.Serializer[Any]):
    """A billing event of another system, with a service key."""

    id = serializers.CharField(max_length=255, required=False, help_text="By default the Idempotency-Key.")
    TenantID = serializers.SlugField(help_text="The tenant's slug.")
    ProductCode = serializers.CharField(max_length=100, help_text="An event type, or a mapped product code.")
    Quantity = QuantityField(help_text=QUANTITY_HELP)
    Timestamp = InstantField(help_text="Epoch milliseconds, or RFC 3339 with an offset.")


class OverQuotaSchema(serializers.Serializer[Any]):
    """A hard quota of which more is used, and held by reservations, than it allows."""

    name = serializers.CharField()
    limit = serializers.DecimalField(max_digits=20, decimal_places=9)
    used = serializers.DecimalField(max_digits=65, decimal_places=30)
    resets_at = serializers.DateTimeField()
    tenant = serializers.SlugField(required=False, help_text="The tenant's slug. Only with a service key.")
    subject = serializers.CharField(required=False, help_text="Whose usage it is, of a quota of each subject.")


class ReceiptLeafSchema(serializers.Serializer[Any]):
    """One event of a receipt: the day of its tree, and its leaf."""

    id = serializers.CharField()
    source = serializers.CharField(allow_null=True)  # type: ignore[assignment]  # DRF takes fields out of the class
    day = serializers.DateField()
    leaf = serializers.CharField(help_text="SHA-256 of the event's canonical bytes, in hexadecimal.")


class ReceiptSchema(serializers.Serializer[Any]):
    """A signed receipt: `docs/algorithms/proofs.md` says which text is signed."""

    tenant = serializers.UUIDField()
    ledger = serializers.ChoiceField(choices=["live", "test"])
    key = serializers.CharField()
    signed = serializers.CharField()
    leaves = ReceiptLeafSchema(many=True)
    signature = serializers.CharField()


RECEIPT: Final = "receipt"
RECEIPT_PARAMETER: Final = OpenApiParameter(
    RECEIPT, bool, description="With 1 the response has a signed receipt of the events that are stored."
)
RECEIPT_HELP: Final = "Only with `?receipt=1`."
OVER_QUOTA_HELP: Final = "The hard quotas that count what was reported and are exceeded; absent if none is."


class EventStatusSchema(serializers.Serializer[Any]):
    """The outcome for one event."""

    id = serializers.CharField()
    status = serializers.ChoiceField(choices=["accepted", "duplicate"])
    over_quota = OverQuotaSchema(many=True, required=False, help_text=OVER_QUOTA_HELP)
    receipt = ReceiptSchema(required=False, help_text=RECEIPT_HELP)


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
    over_quota = OverQuotaSchema(many=True, required=False, help_text=OVER_QUOTA_HELP)
    receipt = ReceiptSchema(required=False, help_text=RECEIPT_HELP)


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
    replaced_by = serializers.CharField(allow_null=True, help_text="The id of the event that replaces it.")


class StoredEventSchema(serializers.Serializer[Any]):
    """One row of the ledger."""

    id = serializers.CharField()
    source = serializers.CharField(  # type: ignore[assignment]  # DRF takes fields out of the class
        allow_null=True, help_text="The source of a CloudEvent; null for other events."
    )
    type = serializers.CharField()
    timestamp = serializers.DateTimeField()
    quantity = serializers.DecimalField(max_digits=20, decimal_places=9)
    subject = serializers.CharField(allow_null=True)
    properties = serializers.DictField()
    api_key = serializers.UUIDField(allow_null=True)
    received_at = serializers.DateTimeField()
    void = VoidSchema(allow_null=True)
    amends = serializers.CharField(allow_null=True, help_text="The id of the voided event that it replaces.")


class ReplacementSchema(serializers.Serializer[Any]):
    """The event that replaces a voided one: a new id, and what differs. The rest is as in the voided event."""

    id = serializers.CharField(max_length=255)
    type = serializers.CharField(max_length=100, required=False)
    timestamp = InstantField(required=False)
    quantity = QuantityField(required=False, help_text=QUANTITY_HELP)
    subject = serializers.CharField(max_length=255, required=False, allow_null=True)
    properties = serializers.DictField(required=False, help_text=PROPERTIES_HELP)


class VoidRequestSchema(serializers.Serializer[Any]):
    """Why the event is voided, and the event that replaces it, if one does."""

    reason = serializers.CharField(max_length=500)
    replacement = ReplacementSchema(required=False)


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


_TEXT: Final[dict[str, object]] = {"type": "string"}
_OPTIONAL_TEXT: Final[dict[str, object]] = {"type": ["string", "null"]}
CLOUD_EVENT: Final[dict[str, object]] = {
    "type": "object",
    "description": "One CloudEvent 1.0. Other members are extensions: accepted, and no part of the event.",
    "required": ["specversion", "id", "source", "type"],
    "properties": {
        "specversion": {"type": "string", "enum": ["1.0"]},
        "id": _TEXT | {"maxLength": 255, "description": "Identifies the event together with its source, for ever."},
        "source": _TEXT | {"maxLength": 1024},
        "type": _TEXT | {"maxLength": 100, "description": "An event type."},
        "time": _OPTIONAL_TEXT,
        "subject": _OPTIONAL_TEXT | {"maxLength": 255},
        "tenant": _OPTIONAL_TEXT | {"description": "The tenant's slug. Only with a service key."},
        "datacontenttype": _OPTIONAL_TEXT,
        "dataschema": _OPTIONAL_TEXT,
        "data": {
            "type": "object",
            "description": "Becomes the properties; `data.quantity` is the quantity, and no property.",
            "additionalProperties": True,
        },
        "data_base64": _TEXT | {"description": "The same JSON object in base64, instead of `data`."},
    },
    "additionalProperties": True,
}
EVENTS_BODY: Final[dict[str, Any]] = {
    "application/json": PolymorphicProxySerializer(
        "EventOrBatch", [EventSchema, EventBatchSchema, BillingEventSchema], resource_type_field_name=None
    ),
    "application/x-ndjson": EventSchema,
    "application/cloudevents+json": CLOUD_EVENT,
    "application/cloudevents-batch+json": {"type": "array", "items": CLOUD_EVENT},
}
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
STREAMED: Final[dict[Any, Any]] = {
    (200, "application/x-ndjson"): OpenApiResponse(OpenApiTypes.STR, description="A line of JSON for each event."),
    (200, "text/csv"): OpenApiResponse(OpenApiTypes.STR, description="A line for each event, after a header."),
}
EVENT_ID: Final = OpenApiParameter(
    "event_id",
    OpenApiTypes.STR,
    OpenApiParameter.PATH,
    description="The event's id, percent-encoded if needed.",
)
EVENT_SOURCE: Final = OpenApiParameter(
    "source", OpenApiTypes.STR, description="The source, for an event that was sent as a CloudEvent."
)
EVENT_FILTERS: Final = [
    OpenApiParameter("type", str, description="An event type."),
    OpenApiParameter("subject", str),
    OpenApiParameter("start", str, description="A time, or a day of the tenant's time zone: events from then on."),
    OpenApiParameter("end", str, description="A time, or a day of the tenant's time zone: events before it."),
]
