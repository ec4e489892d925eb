"""Reading the body of `POST /access-logs`: each record becomes one `http_request` event.

`request_id` is the event's id and `request_time` its time; the rest are its properties. A record
has no other fields, and all but `request_id` may be absent.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

import msgspec

from accounts.errors import MalformedBodyError
from metering.domain.access_log import (
    AccessRecord,
    InvalidRecordError,
    record_of,
    record_to_event_properties,
)
from metering.domain.event_bodies import (
    EVENTS_PER_BATCH_MAX,
    TOO_LARGE_CODE,
    TOO_LARGE_DETAIL,
    Oversized,
    measured,
    reportable_id,
    require_values_of_batch,
)
from metering.domain.event_input import parse_event
from metering.domain.events import IngestRules, ParsedEvent, Rejection
from metering.domain.exact_json import VALUE, decode, require_utf_8
from metering.domain.http_requests import EVENT_TYPE
from metering.domain.texts import pointer_part


class _Records(msgspec.Struct, forbid_unknown_fields=True):
    records: list[msgspec.Raw]


_RECORDS: Final = msgspec.json.Decoder(_Records)
_FIELDS: Final = frozenset(AccessRecord._fields)
_CODES: Final = {"request_id": "invalid_id", "request_time": "invalid_timestamp"}
_POINTERS: Final = {"/id": "/request_id", "/timestamp": "/request_time"}


def decode_records(body: bytes) -> Sequence[msgspec.Raw | Oversized]:
    """Read `{"records": [1…5000 records]}` without decoding or checking a record. Raises `MalformedBodyError`."""
    require_utf_8(body)
    require_values_of_batch(body)
    try:
        records = decode(_RECORDS, body).records
    except msgspec.ValidationError as error:
        raise MalformedBodyError("The body has one member, records, which is an array.") from error
    if not 1 <= len(records) <= EVENTS_PER_BATCH_MAX:
        raise MalformedBodyError(f"A batch holds 1 to {EVENTS_PER_BATCH_MAX} records, not {len(records)}.")
    return [measured(record) for record in records]


def parse_raw_record(
    raw: msgspec.Raw | Oversized, index: int, received_at: datetime, rules: IngestRules
) -> ParsedEvent | Rejection:
    """Decode and check one record. Raises `MalformedBodyError` if a text in it cannot be read."""
    if isinstance(raw, Oversized):
        return Rejection(index, None, TOO_LARGE_CODE, TOO_LARGE_DETAIL, "", EVENT_TYPE)
    try:
        item = decode(VALUE, raw)
    except msgspec.ValidationError:
        return Rejection(index, None, "invalid_type", "A number is too long.", "", EVENT_TYPE)
    return parse_record(item, index, received_at, rules)


def parse_record(item: object, index: int, received_at: datetime, rules: IngestRules) -> ParsedEvent | Rejection:
    """Check one record as `parse_event` checks an event; a pointer leads into the record."""
    if not isinstance(item, dict):
        return Rejection(index, None, "invalid_type", "A record is a JSON object.", "", EVENT_TYPE)
    told_id = reportable_id(item.get("request_id"))
    for name in item:
        if name not in _FIELDS:
            return Rejection(index, told_id, "unknown_field", "No such field.", f"/{pointer_part(name)}", EVENT_TYPE)
    request_id = item.get("request_id")
    if request_id is None or request_id == "-":
        return Rejection(index, None, "required", "This field is needed.", "/request_id", EVENT_TYPE)
    try:
        record = record_of(item)
    except InvalidRecordError as error:
        code = _CODES.get(error.field, "invalid_properties")
        return Rejection(index, told_id, code, error.detail, f"/{error.field}", EVENT_TYPE)
    return event_from_record(record, request_id, index, received_at, rules)


def event_from_record(
    record: AccessRecord, event_id: object, index: int, received_at: datetime, rules: IngestRules
) -> ParsedEvent | Rejection:
    """Turn a record into an event under `event_id`, the record's own or that of its line."""
    event = {"id": event_id, "type": EVENT_TYPE, "properties": record_to_event_properties(record)}
    if record.request_time is not None:
        event["timestamp"] = record.request_time
    verdict = parse_event(event, index, received_at, rules)
    if isinstance(verdict, Rejection):
        return msgspec.structs.replace(verdict, pointer=_POINTERS.get(verdict.pointer, verdict.pointer))
    return verdict
