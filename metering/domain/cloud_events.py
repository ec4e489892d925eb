"""CloudEvents 1.0.2 as events: structured, batched and binary (https://github.com/cloudevents/spec, JSON and HTTP).

`source` and `id` are the identity. `type`, `time` and `subject` are the event's; `data` becomes its properties, of
which `quantity` is taken as the quantity. `datacontenttype`, `dataschema` and extensions are accepted, and are no part
of the event.
"""

import base64
import binascii
import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final
from urllib.parse import unquote_to_bytes

import msgspec

from accounts.domain.json_bounds import holds_more_values
from accounts.errors import FieldError, InvalidFieldsError, MalformedBodyError
from metering.domain.event_bodies import (
    EVENT_VALUES_MAX,
    EVENTS_PER_BATCH_MAX,
    TOO_LARGE_CODE,
    TOO_LARGE_DETAIL,
    EventInput,
    Oversized,
    measured,
    readable,
    reportable_id,
    require_values_of_batch,
)
from metering.domain.event_input import parse_event
from metering.domain.events import IngestRules, ParsedEvent, RefusedError, Rejection, refuse
from metering.domain.exact_json import MEMBERS, decode, require_utf_8
from metering.domain.texts import is_storable

SPEC_VERSION: Final = "1.0"
SOURCE_CHARACTERS_MAX: Final = 1024
HEADER_PREFIX: Final = "ce-"
# One of these makes a request a CloudEvent in binary form.
HEADERS_OF_BINARY: Final = ("ce-specversion", "ce-id", "ce-source", "ce-type")
DATA_DETAIL: Final = "The data of a CloudEvent is a JSON object: it becomes the event's properties."
_NOT_OURS: Final = {
    "quantity": "The quantity of a CloudEvent is data.quantity.",
    "timestamp": "The time of a CloudEvent is time.",
    "properties": "The properties of a CloudEvent are its data.",
}
_KNOWN: Final = frozenset({"specversion", "id", "source", "type", "time", "subject", "tenant"})
_REQUIRED: Final = ("specversion", "id", "source", "type")
_CODES: Final = {"id": "invalid_id", "source": "invalid_source", "type": "invalid_type", "subject": "invalid_subject"}
_POINTERS: Final = {"/timestamp": "/time", "/quantity": "/data/quantity"}
_BROKEN_PERCENT: Final = re.compile(r"%(?![0-9A-Fa-f]{2})")
_QUOTED_PAIR: Final = re.compile(r"\\(.)", re.DOTALL)
_ARRAY: Final = msgspec.json.Decoder(list[msgspec.Raw])


class CloudEvent(msgspec.Struct, frozen=True):
    """A CloudEvent of the right shape, as the event that it is."""

    source: str
    event: EventInput
    data_member: str = "data"


class RefusedCloudEvent(msgspec.Struct, frozen=True):
    """A CloudEvent that cannot be one of our events, with the reason, and what it said of itself."""

    code: str
    detail: str
    pointer: str
    id: str | None = None
    type: str = ""
    source: str = ""
    tenant: str | None = None


CloudEventItem = CloudEvent | RefusedCloudEvent


def decode_structured(body: bytes) -> CloudEventItem:
    """Read `application/cloudevents+json`: one CloudEvent. Raises `MalformedBodyError`."""
    require_utf_8(body)
    if holds_more_values(body, EVENT_VALUES_MAX):
        return RefusedCloudEvent(TOO_LARGE_CODE, TOO_LARGE_DETAIL, "")
    return _cloud_event_of(_members_of(msgspec.Raw(body)))


def decode_batch(body: bytes) -> Sequence[CloudEventItem]:
    """Read `application/cloudevents-batch+json`: an array of 1 to 5000.

    Raises `MalformedBodyError`, and `InvalidFieldsError` if it is empty.
    """
    require_utf_8(body)
    require_values_of_batch(body)
    try:
        elements = decode(_ARRAY, body)
    except msgspec.ValidationError as error:
        raise MalformedBodyError(
            "A batch of CloudEvents is an array. One alone is sent as application/cloudevents+json."
        ) from error
    if not elements:
        empty = FieldError("", "empty_batch", "The batch holds no CloudEvent.")
        raise InvalidFieldsError(empty.detail, field_errors=(empty,), code=empty.code)
    if len(elements) > EVENTS_PER_BATCH_MAX:
        raise MalformedBodyError(f"A batch holds 1 to {EVENTS_PER_BATCH_MAX} events, not {len(elements)}.")
    return [_item_of(element) for element in elements]


def decode_binary(headers: Mapping[str, str], body: bytes, *, is_json: bool) -> CloudEventItem:
    """Read a CloudEvent whose attributes are headers and whose data is the body. Raises `MalformedBodyError`.

    `is_json` says whether the body's media type is JSON: then a body that is not is malformed, and not only no object.
    """
    attributes: dict[str, object] = {}
    try:
        for name, value in headers.items():
            attribute = name.removeprefix(HEADER_PREFIX)
            if attribute in _KNOWN or attribute in _NOT_OURS:
                attributes[attribute] = decode_header(value, attribute)
        return _checked(attributes, _data_of_body(body, is_json=is_json) if body else {}, "data")
    except RefusedError as refused:
        return _refused(refused, attributes)


def decode_header(value: str, attribute: str) -> str:
    """Return an attribute's text: a quoted string is unquoted, then percent-encoding is undone once.

    Raises `RefusedError` for a text that no encoder writes, since two such texts might become one id.
    """
    if value.startswith('"') and value.endswith('"') and len(value) > 1:
        value = _QUOTED_PAIR.sub(r"\1", value[1:-1])
    code = _CODES.get(attribute, f"invalid_{attribute}")
    if not value.isascii() or _BROKEN_PERCENT.search(value):
        refuse(
            code,
            "The header is not percent-encoded: encode % as %25, and each character beyond ASCII.",
            f"/{attribute}",
        )
    try:
        return unquote_to_bytes(value).decode()
    except UnicodeDecodeError:
        refuse(code, "The percent-encoded bytes are not UTF-8.", f"/{attribute}")


def parse_cloud_event(
    item: CloudEventItem, index: int, received_at: datetime, rules: IngestRules
) -> ParsedEvent | Rejection:
    """Check one CloudEvent as `parse_event` checks an event; a pointer leads into the CloudEvent."""
    if isinstance(item, RefusedCloudEvent):
        return Rejection(index, item.id, item.code, item.detail, item.pointer, item.type, item.source)
    event = item.event
    if event.tenant is not None and not rules.accepts_tenant:
        event = msgspec.structs.replace(event, tenant=None)  # an extension like any other: the key names the tenant
    verdict = parse_event(event, index, received_at, rules, source=item.source)
    if isinstance(verdict, Rejection):
        return msgspec.structs.replace(verdict, pointer=_pointer(verdict.pointer, item.data_member))
    return verdict


def _pointer(pointer: str, data_member: str) -> str:
    """Return the place in the CloudEvent of a place in the event."""
    if pointer.startswith(("/properties", "/quantity")) and data_member != "data":
        return f"/{data_member}"
    if pointer.startswith("/properties"):
        return f"/data{pointer.removeprefix('/properties')}"
    return _POINTERS.get(pointer, pointer)


def _item_of(element: msgspec.Raw) -> CloudEventItem:
    """Return an element of a batch. Whatever it is, only it is refused."""
    if isinstance(measured(element), Oversized):
        return RefusedCloudEvent(TOO_LARGE_CODE, TOO_LARGE_DETAIL, "")
    try:
        return _cloud_event_of(_members_of(element))
    except MalformedBodyError as error:
        return RefusedCloudEvent("invalid_type", error.detail, "")


def _members_of(element: msgspec.Raw) -> Mapping[str, msgspec.Raw]:
    try:
        return decode(MEMBERS, element)
    except msgspec.ValidationError as error:
        is_array = bytes(element).lstrip().startswith(b"[")
        more = " An array of them is sent as application/cloudevents-batch+json." if is_array else ""
        raise MalformedBodyError(f"A CloudEvent is a JSON object.{more}") from error


def _cloud_event_of(members: Mapping[str, msgspec.Raw]) -> CloudEventItem:
    """Return a CloudEvent in JSON. An attribute of null is absent."""
    attributes: dict[str, object] = {}
    for name, raw in members.items():
        if name in _KNOWN or name in _NOT_OURS:
            attributes[name] = readable(raw)
    attributes = {name: value for name, value in attributes.items() if value is not None}
    try:
        if "data" in members and "data_base64" in members:
            refuse("invalid_data", "A CloudEvent has data or data_base64, not both.", "/data_base64")
        if "data_base64" in members:
            data = _data_of_base64(readable(members["data_base64"]))
            return _checked(attributes, data, "data_base64")
        return _checked(attributes, _object_of(bytes(members["data"]), "/data") if "data" in members else {}, "data")
    except RefusedError as refused:
        return _refused(refused, attributes)


def _checked(attributes: Mapping[str, object], data: Mapping[str, Any], data_member: str) -> CloudEvent:
    """Return the event that attributes and data are. Raises `RefusedError`."""
    for name, detail in _NOT_OURS.items():
        if name in attributes:
            refuse("unknown_field", detail, f"/{name}")
    for name in _REQUIRED:
        if name not in attributes:
            refuse("required", "This attribute is needed.", f"/{name}")
    if attributes["specversion"] != SPEC_VERSION:
        refuse("invalid_specversion", f"The specversion is {SPEC_VERSION}.", "/specversion")
    source = _text(attributes, "source")
    if not source or len(source) > SOURCE_CHARACTERS_MAX or not is_storable(source):
        refuse("invalid_source", f"A source has 1 to {SOURCE_CHARACTERS_MAX} characters, and no NUL.", "/source")
    properties = dict(data)
    quantity = properties.pop("quantity", msgspec.UNSET)
    tenant = attributes.get("tenant")
    event = EventInput(
        id=_text(attributes, "id"),
        type=_text(attributes, "type"),
        timestamp=attributes.get("time", msgspec.UNSET),
        quantity=quantity,
        subject=_text(attributes, "subject") if "subject" in attributes else None,
        properties=properties,
        tenant=tenant if isinstance(tenant, str) else None,
    )
    return CloudEvent(source, event, data_member)


def _text(attributes: Mapping[str, object], name: str) -> str:
    value = attributes[name]
    if not isinstance(value, str):
        refuse(_CODES[name], "The value is of another type.", f"/{name}")
    return value


def _data_of_base64(value: object) -> dict[str, Any]:
    if not isinstance(value, str):
        refuse("invalid_data", "The member data_base64 is a text.", "/data_base64")
    try:
        text = base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError):
        refuse("invalid_data", "The member data_base64 is not base64 (RFC 4648, section 4).", "/data_base64")
    return _object_of(text, "/data_base64")


def _data_of_body(body: bytes, *, is_json: bool) -> dict[str, Any]:
    if is_json:
        require_utf_8(body)
        if not holds_more_values(body, EVENT_VALUES_MAX):
            try:
                decode(MEMBERS, body)
            except msgspec.ValidationError:
                refuse("invalid_data", DATA_DETAIL, "/data")
    return _object_of(body, "/data")


def _object_of(text: bytes, pointer: str) -> dict[str, Any]:
    """Return the JSON object in a text that is the data. Raises `RefusedError`."""
    if holds_more_values(text, EVENT_VALUES_MAX):
        refuse(TOO_LARGE_CODE, TOO_LARGE_DETAIL, pointer)
    try:
        require_utf_8(text)
        return {name: readable(raw) for name, raw in decode(MEMBERS, text).items()}
    except (MalformedBodyError, msgspec.ValidationError):
        refuse("invalid_data", DATA_DETAIL, pointer)


def _refused(refused: RefusedError, attributes: Mapping[str, object]) -> RefusedCloudEvent:
    """Return the refusal with what the CloudEvent said of itself, as far as it can be shown."""
    kind, source, tenant = (attributes.get(name) for name in ("type", "source", "tenant"))
    return RefusedCloudEvent(
        refused.code,
        refused.detail,
        refused.pointer,
        id=reportable_id(attributes.get("id")),
        type=kind if isinstance(kind, str) else "",
        source=source if isinstance(source, str) else "",
        tenant=tenant if isinstance(tenant, str) else None,
    )
