"""The bodies of `POST /events`: one event or a batch, read once, and the shape of each event.

`decode_body` raises only `MalformedBodyError`. Values are checked later, by `metering.domain.event_input`.

A body with few values is decoded at once. In a larger one only the elements are found at first, which creates no
object of their content. An element with more values than an event can have is never decoded.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from accounts.domain.json_bounds import holds_more_values
from accounts.errors import MalformedBodyError
from metering.domain.events import RefusedError, refuse
from metering.domain.exact_json import MEMBERS, VALUE, decode, exact_number, require_utf_8
from metering.domain.texts import is_storable, pointer_part

EVENTS_PER_BATCH_MAX: Final = 5000
ID_CHARACTERS_MAX: Final = 255
TYPE_CHARACTERS_MAX: Final = 100
EVENT_VALUES_MAX: Final = 256
BATCH_VALUES_MAX: Final = EVENTS_PER_BATCH_MAX * 60
TOO_LARGE_CODE: Final = "event_too_large"
TOO_LARGE_DETAIL: Final = f"It holds more than {EVENT_VALUES_MAX} values."
# A body with fewer is decoded at once, whatever its events are.
_VALUES_AT_ONCE_MAX: Final = 50_000


class EventInput(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    """An event of the right shape whose values are not checked yet."""

    id: str
    type: str
    timestamp: Any = msgspec.UNSET
    quantity: Any = msgspec.UNSET
    subject: str | None = None
    properties: dict[str, Any] | None = None
    tenant: str | None = None


class Oversized(msgspec.Struct, frozen=True):
    """The placeholder of an event or a record with more values than allowed, which is not decoded."""


OVERSIZED: Final = Oversized()


class Unreadable(msgspec.Struct, frozen=True):
    """The placeholder of a line that is not JSON, with the reason."""

    detail: str


Item = EventInput | msgspec.Raw | Oversized | Unreadable


class Submission(msgspec.Struct, frozen=True):
    """A decoded body: the events as they were sent, not checked yet."""

    is_batch: bool
    items: Sequence[Item]


class _Batch(msgspec.Struct, forbid_unknown_fields=True):
    events: list[EventInput]


class _Elements(msgspec.Struct, forbid_unknown_fields=True):
    events: list[msgspec.Raw]


class _Glance(msgspec.Struct):
    events: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET


_BATCH: Final = msgspec.json.Decoder(_Batch, float_hook=exact_number)
_EVENT: Final = msgspec.json.Decoder(EventInput, float_hook=exact_number)
_ELEMENTS: Final = msgspec.json.Decoder(_Elements)
_GLANCE: Final = msgspec.json.Decoder(_Glance)
_UNREADABLE: Final = object()
_FIELDS: Final = frozenset(EventInput.__struct_fields__)
_ARRAY_ALONE: Final = (
    'A batch is an object such as {"events": [...]}. An array alone is a batch of CloudEvents, and is sent as '
    "application/cloudevents-batch+json."
)
_COMES_ALONE: Final = "A billing event comes alone, with a service key, and its names are not mixed with others."
# The names by which another form is recognised that was sent as a plain event.
_OTHER_FORMS: Final = {
    "specversion": "This is a CloudEvent: its Content-Type is application/cloudevents+json, or "
    "application/cloudevents-batch+json for an array of them.",
    "TenantID": _COMES_ALONE,
    "ProductCode": _COMES_ALONE,
    "Quantity": f"The field is quantity. {_COMES_ALONE}",
    "Timestamp": f"The field is timestamp. {_COMES_ALONE}",
    "time": "The field is timestamp.",
    "events": "A batch has one member, events, and no other.",
}


def decode_body(body: bytes) -> Submission:
    """Read one event, or `{"events": [1…5000 events]}`. Raises `MalformedBodyError`."""
    require_utf_8(body)
    is_wide = holds_more_values(body, _VALUES_AT_ONCE_MAX)
    if is_wide:
        require_values_of_batch(body)
    if not is_wide:
        try:
            return _batch_of(decode(_BATCH, body).events)
        except msgspec.ValidationError:
            pass
    events = _events_named_in(body)
    if events is None:
        return Submission(is_batch=False, items=[OVERSIZED if is_wide else msgspec.Raw(body)])
    try:
        batch = _batch_of(decode(_ELEMENTS, body).events)
    except msgspec.ValidationError as error:
        is_array = bytes(events).startswith(b"[")
        detail = "A batch has one member, events, and no other." if is_array else "The member events is not an array."
        raise MalformedBodyError(detail) from error
    return _measured_batch(batch) if is_wide else batch


def decode_lines(body: bytes) -> Submission:
    """Read one event a line, as NDJSON. Blank lines do not count. Raises `MalformedBodyError`.

    A line that is no event is refused by itself, whatever it holds.
    """
    require_utf_8(body)
    require_values_of_batch(body)
    lines = [line for line in body.split(b"\n") if line.strip()]
    _require_number_of_events(len(lines))
    return Submission(is_batch=True, items=[_item_of_line(line) for line in lines])


def _item_of_line(line: bytes) -> Item:
    if holds_more_values(line, EVENT_VALUES_MAX):
        return OVERSIZED
    try:
        return shape(msgspec.Raw(line))
    except RefusedError:
        return msgspec.Raw(line)
    except MalformedBodyError as error:
        return Unreadable(error.detail.replace("The body", "The line"))


def require_values_of_batch(body: bytes) -> None:
    """Raise `MalformedBodyError` if the body has more values than 5000 events can."""
    if holds_more_values(body, BATCH_VALUES_MAX):
        raise MalformedBodyError(f"The body holds more than {BATCH_VALUES_MAX} values.")


def _measured_batch(batch: Submission) -> Submission:
    return Submission(is_batch=True, items=[measured(item) for item in batch.items if isinstance(item, msgspec.Raw)])


def _events_named_in(body: bytes) -> msgspec.Raw | None:
    """Return the undecoded member `events` of a JSON object, or None. Raises `MalformedBodyError`."""
    try:
        events = decode(_GLANCE, body).events
    except msgspec.ValidationError as error:
        detail = _ARRAY_ALONE if body.lstrip().startswith(b"[") else "The body is not a JSON object."
        raise MalformedBodyError(detail) from error
    return events if isinstance(events, msgspec.Raw) else None


def measured(element: msgspec.Raw) -> msgspec.Raw | Oversized:
    """Return an element of a batch, or `Oversized` if it must not be decoded."""
    return OVERSIZED if holds_more_values(bytes(element), EVENT_VALUES_MAX) else element


def shape(item: msgspec.Raw | Oversized | Unreadable | Mapping[str, Any]) -> EventInput:
    """Return an event of the right shape. Raises `RefusedError` that names the fault of another shape."""
    if isinstance(item, Oversized):
        refuse(TOO_LARGE_CODE, TOO_LARGE_DETAIL, "")
    if isinstance(item, Unreadable):
        refuse("invalid_json", item.detail, "")
    if not isinstance(item, msgspec.Raw):
        return _shape_of_members(item)
    try:
        return decode(_EVENT, item)
    except msgspec.ValidationError:
        return _shape_of_members(_readable_members(item))


def _shape_of_members(members: Mapping[str, Any]) -> EventInput:
    for name in members:
        if name not in _FIELDS:
            refuse("unknown_field", _OTHER_FORMS.get(name, "No such field."), f"/{pointer_part(name)}")
    for name in ("id", "type"):
        if name not in members:
            refuse("required", "This field is needed.", f"/{name}")
    for name, kinds, code in (
        ("id", (str,), "invalid_id"),
        ("type", (str,), "invalid_type"),
        ("subject", (str, type(None)), "invalid_subject"),
        ("properties", (dict, type(None)), "invalid_properties"),
        ("tenant", (str, type(None)), "invalid_type"),
    ):
        if not isinstance(members.get(name, None if type(None) in kinds else ""), kinds):
            refuse(code, "The value is of another type.", f"/{name}")
    return EventInput(**members)


def names_of(item: Item | Mapping[str, Any]) -> tuple[str | None, str]:
    """Return the id for a rejection, if an event could have it, and the type that the event names, if any."""
    if isinstance(item, EventInput):
        return reportable_id(item.id), item.type
    members = {} if isinstance(item, Unreadable) else _members_or_none(item)
    claimed = members.get("type")
    return reportable_id(members.get("id")), claimed if isinstance(claimed, str) else ""


def reportable_id(value: object) -> str | None:
    """Return the id for a rejection, or None if no event could have it."""
    if not isinstance(value, str) or len(value) > ID_CHARACTERS_MAX:
        return None
    return value if is_storable(value) else None


def _readable_members(raw: msgspec.Raw) -> dict[str, Any]:
    """Decode each member separately, so that a number too long to read affects only its own member."""
    try:
        members = decode(MEMBERS, raw)
    except msgspec.ValidationError:
        refuse("invalid_type", "An event is a JSON object.", "")
    return {name: readable(value) for name, value in members.items()}


def readable(raw: msgspec.Raw) -> object:
    """Return a member's value; of a number that is too long to read, a value that every rule refuses."""
    try:
        return decode(VALUE, raw)
    except msgspec.ValidationError:
        return _UNREADABLE


def _members_or_none(item: msgspec.Raw | Oversized | Mapping[str, Any]) -> Mapping[str, Any]:
    if isinstance(item, Oversized):
        return {}
    if not isinstance(item, msgspec.Raw):
        return item
    try:
        return _readable_members(item)
    except RefusedError:
        return {}


def _batch_of(items: Sequence[Item]) -> Submission:
    _require_number_of_events(len(items))
    return Submission(is_batch=True, items=items)


def _require_number_of_events(number: int) -> None:
    if not 1 <= number <= EVENTS_PER_BATCH_MAX:
        raise MalformedBodyError(f"A batch holds 1 to {EVENTS_PER_BATCH_MAX} events, not {number}.")
