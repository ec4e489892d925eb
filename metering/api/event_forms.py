"""The forms in which `POST /events` takes events, by media type and headers: each becomes items and their judge."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec
from rest_framework.request import Request

from accounts.api.idempotency import idempotency_key_of
from accounts.api.parsers import RawJSONParser, body_bytes, django_request
from accounts.api.problems import MediaTypeError
from metering.api.reporting import EventNames, Judge
from metering.domain.billing_events import (
    BillingEvent,
    RefusedBillingEvent,
    billing_members,
    parse_billing_event,
    read_billing_event,
)
from metering.domain.cloud_events import (
    HEADER_PREFIX,
    HEADERS_OF_BINARY,
    CloudEvent,
    RefusedCloudEvent,
    decode_batch,
    decode_binary,
    decode_structured,
    parse_cloud_event,
)
from metering.domain.event_bodies import EventInput, decode_body, decode_lines
from metering.domain.event_input import parse_event
from metering.selectors.product_codes import event_type_of_product

JSON: Final = "application/json"
NDJSON: Final = "application/x-ndjson"
CLOUD_EVENT: Final = "application/cloudevents+json"
CLOUD_EVENT_BATCH: Final = "application/cloudevents-batch+json"
MEDIA_TYPES: Final = (JSON, NDJSON, CLOUD_EVENT, CLOUD_EVENT_BATCH)
_FORMS: Final = ("application/x-www-form-urlencoded", "multipart/form-data")
_JSON_ALIASES: Final = frozenset({"text/json", "text/plain", ""})
_NDJSON_ALIASES: Final = frozenset({"application/ndjson", "application/jsonl", "application/x-jsonlines"})
_NAMES: Final = msgspec.json.Decoder(EventNames)


class OtherFormsParser(RawJSONParser):
    """Passes on the unpacked bytes of every form but plain JSON. Raises 415 that names the right media type."""

    media_type = "*/*"

    def parse(  # type: ignore[override]  # as in its base
        self, stream: Any, media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> bytes:
        """Return the unpacked body."""
        assert parser_context is not None, "DRF gives the context"
        request: Request = parser_context["request"]
        kind = media_type_of(request)
        if kind in _FORMS or (kind not in MEDIA_TYPES and not is_binary_cloud_event(request)):
            raise MediaTypeError(_advice(kind))
        return super().parse(stream, media_type, parser_context)


@dataclass(frozen=True, slots=True)
class SentEvents:
    """The events of a body, not checked yet, and the rule that checks each.

    `place` is the JSON Pointer of the body's list.
    """

    items: Sequence[Any]
    judge: Judge
    is_batch: bool
    place: str = ""


def sent_events(request: Request) -> SentEvents:
    """Read the body in the form that its media type and headers name. Raises `MalformedBodyError`, 415 and 422."""
    _ = request.data
    body, kind = body_bytes(request), media_type_of(request)
    if kind == CLOUD_EVENT:
        return SentEvents([decode_structured(body)], parse_cloud_event, is_batch=False)
    if kind == CLOUD_EVENT_BATCH:
        return SentEvents(decode_batch(body), parse_cloud_event, is_batch=True)
    if is_binary_cloud_event(request):
        is_json = kind in ("", JSON) or kind.endswith("+json")
        return SentEvents(
            [decode_binary(cloud_event_headers(request), body, is_json=is_json)], parse_cloud_event, is_batch=False
        )
    if kind == NDJSON:
        return SentEvents(decode_lines(body).items, parse_event, is_batch=True)
    submission = decode_body(body)
    members = None if submission.is_batch else billing_members(submission.items[0])
    if members is not None:
        item = read_billing_event(members, idempotency_key_of(request))
        if isinstance(item, BillingEvent):
            item = msgspec.structs.replace(item, product_code=event_type_of_product(item.product_code))
        return SentEvents([item], parse_billing_event, is_batch=False)
    return SentEvents(submission.items, parse_event, submission.is_batch, "/events")


def is_named_by_idempotency_key(request: Request) -> bool:
    """Return whether the request's Idempotency-Key is the event's id: a billing event without one of its own."""
    _ = request.data
    if media_type_of(request) != JSON or is_binary_cloud_event(request):
        return False
    members = billing_members(msgspec.Raw(body_bytes(request)))
    return members is not None and "id" not in members


def named_in(item: Any) -> EventNames:
    """Return the names in an event, even if its form is so wrong that it will be refused."""
    if isinstance(item, EventInput):
        return EventNames(item.id, item.tenant)
    if isinstance(item, CloudEvent):
        return EventNames(item.event.id, item.event.tenant)
    if isinstance(item, RefusedCloudEvent | BillingEvent | RefusedBillingEvent):
        return EventNames(item.id, item.tenant)
    if not isinstance(item, msgspec.Raw):
        return EventNames()
    try:
        return _NAMES.decode(item)
    except msgspec.DecodeError:
        return EventNames()


def media_type_of(request: Request) -> str:
    """Return the media type of the body without its parameters, in lower case."""
    return str(request.content_type or "").partition(";")[0].strip().lower()


def is_binary_cloud_event(request: Request) -> bool:
    """Return whether the request is a CloudEvent whose attributes are headers."""
    return any(name in request.headers for name in HEADERS_OF_BINARY)


def cloud_event_headers(request: Request) -> dict[str, str]:
    """Return the headers of CloudEvents, named in lower case."""
    headers = django_request(request).headers
    return {name.lower(): value for name, value in headers.items() if name.lower().startswith(HEADER_PREFIX)}


def _advice(kind: str) -> str:
    if kind in _JSON_ALIASES:
        return f"Send JSON as Content-Type: {JSON}."
    if kind in _NDJSON_ALIASES:
        return f"Send one event a line as Content-Type: {NDJSON}."
    if kind.startswith("application/cloudevents"):
        return f"CloudEvents are taken in JSON: {CLOUD_EVENT}, or {CLOUD_EVENT_BATCH} for an array of them."
    return f"Content-Type is one of {', '.join(MEDIA_TYPES)}; or the request has the headers of a CloudEvent (ce-…)."
