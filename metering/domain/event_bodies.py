"""The bodies of `POST /events`: one event or a batch, read once, and each event brought into shape.

`decode_body` raises nothing but `MalformedBodyError`. Values are judged later, by `metering.domain.event_input`.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from accounts.errors import MalformedBodyError
from metering.domain.events import RefusedError, refuse
from metering.domain.exact_json import MEMBERS, VALUE, decode, exact_number, members_of, require_utf_8
from metering.domain.texts import is_storable, pointer_part

EVENTS_PER_BATCH_MAX: Final = 5000
ID_CHARACTERS_MAX: Final = 255
TYPE_CHARACTERS_MAX: Final = 100


class EventInput(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    """An event of the right shape whose values are not judged yet."""

    id: str
    type: str
    timestamp: Any = msgspec.UNSET
    quantity: Any = msgspec.UNSET
    subject: str | None = None
    properties: dict[str, Any] | None = None
    tenant: str | None = None


class Submission(msgspec.Struct, frozen=True):
    """A decoded body: the events as they came, not judged yet."""

    is_batch: bool
    items: Sequence[EventInput | msgspec.Raw]


class _Batch(msgspec.Struct, forbid_unknown_fields=True):
    events: list[EventInput]


_BATCH: Final = msgspec.json.Decoder(_Batch, float_hook=exact_number)
_EVENT: Final = msgspec.json.Decoder(EventInput, float_hook=exact_number)
_ELEMENTS: Final = msgspec.json.Decoder(list[msgspec.Raw])
_UNREADABLE: Final = object()
_FIELDS: Final = frozenset(EventInput.__struct_fields__)


def decode_body(body: bytes) -> Submission:
    """Read one event, or `{"events": [1…5000 events]}`. Raises `MalformedBodyError`."""
    require_utf_8(body)
    try:
        return _batch_of(decode(_BATCH, body).events)
    except msgspec.ValidationError:
        members = members_of(body)
    if "events" not in members:
        return Submission(is_batch=False, items=[msgspec.Raw(body)])
    if len(members) > 1:
        raise MalformedBodyError("A batch has one member, events, and no other.")
    try:
        elements = decode(_ELEMENTS, members["events"])
    except msgspec.ValidationError as error:
        raise MalformedBodyError("The member events is not an array.") from error
    return _batch_of(elements)


def shape(item: msgspec.Raw | Mapping[str, Any]) -> EventInput:
    """Return an event in its shape. Raises `RefusedError` that says what is wrong with another shape."""
    if not isinstance(item, msgspec.Raw):
        return _shape_of_members(item)
    try:
        return decode(_EVENT, item)
    except msgspec.ValidationError:
        return _shape_of_members(_readable_members(item))


def _shape_of_members(members: Mapping[str, Any]) -> EventInput:
    for name in members:
        if name not in _FIELDS:
            refuse("unknown_field", "No such field.", f"/{pointer_part(name)}")
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


def names_of(item: EventInput | msgspec.Raw | Mapping[str, Any]) -> tuple[str | None, str]:
    """Return the id that a rejection names, if an event could have it, and the type that the event claims, if any."""
    if isinstance(item, EventInput):
        return tellable_id(item.id), item.type
    members = _members_or_none(item)
    claimed = members.get("type")
    return tellable_id(members.get("id")), claimed if isinstance(claimed, str) else ""


def tellable_id(value: object) -> str | None:
    """Return the id that a rejection names: only one that an event could have."""
    if not isinstance(value, str) or len(value) > ID_CHARACTERS_MAX:
        return None
    return value if is_storable(value) else None


def _readable_members(raw: msgspec.Raw) -> dict[str, Any]:
    """Decode each member by itself, so that a number too long to read spoils only its own."""
    try:
        members = decode(MEMBERS, raw)
    except msgspec.ValidationError:
        refuse("invalid_type", "An event is a JSON object.", "")
    return {name: _readable(value) for name, value in members.items()}


def _readable(raw: msgspec.Raw) -> object:
    try:
        return decode(VALUE, raw)
    except msgspec.ValidationError:
        return _UNREADABLE


def _members_or_none(item: msgspec.Raw | Mapping[str, Any]) -> Mapping[str, Any]:
    if not isinstance(item, msgspec.Raw):
        return item
    try:
        return _readable_members(item)
    except RefusedError:
        return {}


def _batch_of(items: Sequence[EventInput | msgspec.Raw]) -> Submission:
    if not 1 <= len(items) <= EVENTS_PER_BATCH_MAX:
        raise MalformedBodyError(f"A batch holds 1 to {EVENTS_PER_BATCH_MAX} events, not {len(items)}.")
    return Submission(is_batch=True, items=items)
