"""Reading what clients send to `POST /events`: exact, bounded, and never surprised.

`decode_body` reads the JSON once; `parse_event` applies the contract's rules to one event and
answers a `ParsedEvent` or a `Rejection`. Whatever the input, nothing else comes out, save
`MalformedBodyError` for a body that is not JSON or not of the call's form.

Numbers never pass through a float. Where an object names a member twice, the last one counts,
as in PostgreSQL's jsonb. A lone surrogate or a byte that is not UTF-8 makes a body malformed.
"""

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any, Final, NoReturn, TypeVar

import msgspec

from accounts.errors import MalformedBodyError
from metering.domain.canonical import (
    InexactNumberError,
    PropertyValue,
    canonical_json,
    canonical_number,
    content_hash_of_canonical,
    event_key,
)
from metering.domain.instants import InvalidInstantError, read_instant

EVENTS_PER_BATCH_MAX: Final = 5000
ID_CHARACTERS_MAX: Final = 255
TYPE_CHARACTERS_MAX: Final = 100
SUBJECT_CHARACTERS_MAX: Final = 255
PROPERTIES_MAX: Final = 50
PROPERTIES_BYTES_MAX: Final = 4096
QUANTITY_DIGITS_MAX: Final = 20
QUANTITY_DECIMAL_PLACES_MAX: Final = 9
_POINTER_NAME_CHARACTERS_MAX: Final = 100
Decoded = TypeVar("Decoded")

_QUANTITY_TEXT: Final = re.compile(r"-?[0-9]{1,60}(?:\.[0-9]{1,60})?(?:[eE][+-]?[0-9]{1,3})?", re.ASCII)
_PLAIN_QUANTITY_TEXT: Final = re.compile(r"[0-9]{1,11}(?:\.[0-9]{1,9})?", re.ASCII)


class IngestRules(msgspec.Struct, frozen=True):
    """What is allowed for one tenant at one moment. Both bounds belong to the window."""

    window_start: datetime
    latest: datetime
    known_types: frozenset[str]
    accepts_tenant: bool = False


class ParsedEvent(msgspec.Struct, frozen=True, gc=False):
    """One valid event. `properties_json` is the canonical JSON of `properties`."""

    index: int
    key: bytes
    content_hash: bytes
    source: str
    id: str
    type: str
    occurred_at: datetime
    quantity: Decimal
    subject: str | None
    properties: dict[str, PropertyValue]
    properties_json: bytes
    tenant: str | None


class Rejection(msgspec.Struct, frozen=True):
    """Why one event was refused. `pointer` is a JSON Pointer (RFC 6901) into the event."""

    index: int
    id: str | None
    code: str
    detail: str
    pointer: str


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


class _RefusedError(Exception):
    """Carries a refusal from the rule that found it to `parse_event`."""

    def __init__(self, code: str, detail: str, pointer: str) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail
        self.pointer = pointer


def _exact_number(text: str) -> Decimal:
    """Keep a JSON number exactly; one whose exponent no decimal can hold becomes NaN."""
    try:
        return Decimal(text)
    except InvalidOperation:
        return Decimal("NaN")


_BATCH: Final = msgspec.json.Decoder(_Batch, float_hook=_exact_number)
_EVENT: Final = msgspec.json.Decoder(EventInput, float_hook=_exact_number)
_VALUE: Final = msgspec.json.Decoder(Any, float_hook=_exact_number)
_MEMBERS: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])
_ELEMENTS: Final = msgspec.json.Decoder(list[msgspec.Raw])
_UNREADABLE: Final = object()
_NO_PROPERTIES: Final = b"{}"
_FIELDS: Final = frozenset(EventInput.__struct_fields__)


def decode_body(body: bytes) -> Submission:
    """Read one event, or `{"events": [1…5000 events]}`. Raises `MalformedBodyError`."""
    _require_utf_8(body)
    try:
        return _batch_of(_decode(_BATCH, body).events)
    except msgspec.ValidationError:
        members = _members_of(body)
    if "events" not in members:
        return Submission(is_batch=False, items=[msgspec.Raw(body)])
    if len(members) > 1:
        raise MalformedBodyError("A batch has one member, events, and no other.")
    try:
        elements = _decode(_ELEMENTS, members["events"])
    except msgspec.ValidationError as error:
        raise MalformedBodyError("The member events is not an array.") from error
    return _batch_of(elements)


def decode_object(body: bytes) -> dict[str, Any]:
    """Read a JSON object with exact numbers, for calls of another form.

    Raises `MalformedBodyError`. A member that holds an absurdly long number is refused too.
    """
    _require_utf_8(body)
    try:
        value = _decode(_VALUE, body)
    except msgspec.ValidationError as error:
        raise MalformedBodyError("A number is too long.") from error
    if not isinstance(value, dict):
        raise MalformedBodyError("The body is not a JSON object.")
    return value


def parse_event(
    item: EventInput | msgspec.Raw | Mapping[str, Any],
    index: int,
    received_at: datetime,
    rules: IngestRules,
    *,
    source: str = "",
) -> ParsedEvent | Rejection:
    """Judge one event. `received_at` is its time where it brings none.

    A mapping may come from anywhere, if its numbers are int or Decimal.
    """
    event: EventInput | None = None
    try:
        event = item if isinstance(item, EventInput) else _shape(item)
        return _judge(event, index, received_at, rules, source)
    except _RefusedError as refused:
        return Rejection(
            index=index,
            id=_id_to_tell(item if event is None else event),
            code=refused.code,
            detail=refused.detail,
            pointer=refused.pointer,
        )


def read_quantity(value: object) -> int | Decimal:
    """Read a quantity: finite, not negative, 20 digits, 9 of them after the point.

    Takes a text, an int or a Decimal; trailing zeros do not count as digits.
    Raises ValueError with a sentence for the sender.
    """
    if isinstance(value, str):
        if _PLAIN_QUANTITY_TEXT.fullmatch(value):
            return _plain_quantity(value)
        if not _QUANTITY_TEXT.fullmatch(value):
            raise ValueError("A decimal number such as 12.5, of at most 20 digits.")
        return _bounded_quantity(Decimal(value))
    if isinstance(value, (int, Decimal)) and not isinstance(value, bool):
        return _bounded_quantity(value)
    raise ValueError("A decimal number, as a text or as a JSON number.")


def _plain_quantity(text: str) -> int | Decimal:
    """Return the canonical number of a text so short that it is in bounds: most are."""
    if "." not in text:
        return int(text)
    short = text.rstrip("0").removesuffix(".")
    return Decimal(short) if "." in short else int(short)


def _bounded_quantity(value: int | Decimal) -> int | Decimal:
    """Return the canonical number of a quantity. Raises ValueError."""
    try:
        number = canonical_number(value)
    except InexactNumberError as error:
        raise ValueError(f"The number is out of bounds: {error}.") from error
    if number < 0:
        raise ValueError("A quantity is not negative.")
    if isinstance(number, Decimal):
        digits, exponent = number.as_tuple()[1:]
        assert isinstance(exponent, int), "a finite number has a whole exponent"
        if -exponent > QUANTITY_DECIMAL_PLACES_MAX:
            raise ValueError("At most 9 digits after the point.")
        if len(digits) > QUANTITY_DIGITS_MAX:
            raise ValueError("At most 20 digits.")
    return number


# --- the judgement of one event -------------------------------------------------------------


def _judge(
    event: EventInput,
    index: int,
    received_at: datetime,
    rules: IngestRules,
    source: str,
) -> ParsedEvent:
    _require_id(event.id)
    if event.type not in rules.known_types:
        _refuse("unknown_event_type", "No event type has this name.", "/type")
    if event.tenant is not None and not rules.accepts_tenant:
        _refuse("tenant_not_allowed", "The key names the tenant.", "/tenant")
    if event.subject is not None:
        _require_subject(event.subject)
    given = _occurred_at(event.timestamp, rules)
    quantity = _quantity(event.quantity)
    properties, properties_json = _properties(event.properties)
    return ParsedEvent(
        index=index,
        key=event_key(source, event.id),
        content_hash=content_hash_of_canonical(event.type, given, quantity, event.subject, properties_json),
        source=source,
        id=event.id,
        type=event.type,
        occurred_at=received_at.astimezone(UTC) if given is None else given,
        quantity=Decimal(quantity),
        subject=event.subject,
        properties=properties,
        properties_json=properties_json,
        tenant=event.tenant,
    )


def _require_id(text: str) -> None:
    if not 1 <= len(text) <= ID_CHARACTERS_MAX:
        _refuse("invalid_id", "An id has 1 to 255 characters.", "/id")
    if not is_storable(text):
        _refuse("invalid_id", "An id holds no NUL and no lone surrogate.", "/id")


def _require_subject(text: str) -> None:
    if len(text) > SUBJECT_CHARACTERS_MAX:
        _refuse("invalid_subject", "At most 255 characters.", "/subject")
    if not is_storable(text):
        _refuse("invalid_subject", "No NUL and no lone surrogate.", "/subject")


def _occurred_at(value: object, rules: IngestRules) -> datetime | None:
    """Return the time that was given, or None where it was left to us."""
    if value is msgspec.UNSET:
        return None
    try:
        instant = read_instant(value)
    except InvalidInstantError as error:
        _refuse("invalid_timestamp", str(error), "/timestamp")
    if instant < rules.window_start:
        _refuse(
            "timestamp_too_old",
            f"Before {_shown(rules.window_start)}, where the backfill window begins.",
            "/timestamp",
        )
    if instant > rules.latest:
        _refuse(
            "timestamp_in_future",
            f"After {_shown(rules.latest)}, the latest time taken now.",
            "/timestamp",
        )
    return instant


def _quantity(value: object) -> int | Decimal:
    if value is msgspec.UNSET:
        return 1
    try:
        return read_quantity(value)
    except ValueError as error:
        _refuse("invalid_quantity", str(error), "/quantity")


def _properties(
    given: dict[str, Any] | None,
) -> tuple[dict[str, PropertyValue], bytes]:
    """Return the properties with canonical numbers, and their canonical JSON."""
    if not given:
        return {}, _NO_PROPERTIES
    if len(given) > PROPERTIES_MAX:
        _refuse("invalid_properties", "At most 50 properties.", "/properties")
    properties = {name: _property(name, value) for name, value in given.items()}
    text = canonical_json(properties)
    if len(text) > PROPERTIES_BYTES_MAX:
        _refuse("invalid_properties", "At most 4 KiB of JSON.", "/properties")
    return properties, text


def _property(name: str, value: object) -> PropertyValue:
    if not is_storable(name):
        _refuse_property(name, "A name holds no NUL and no lone surrogate.")
    if isinstance(value, str):
        if not is_storable(value):
            _refuse_property(name, "A text holds no NUL and no lone surrogate.")
        return value
    if value is None or isinstance(value, bool):
        return value
    if not isinstance(value, (int, Decimal)):
        _refuse_property(name, "A text, a number, true, false or null.")
    try:
        return canonical_number(value)
    except InexactNumberError as error:
        _refuse_property(name, f"The number is out of bounds: {error}.")


def is_storable(text: str) -> bool:
    """Tell whether PostgreSQL can hold `text`: no NUL, no lone surrogate."""
    if "\0" in text:
        return False
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


# --- shapes ---------------------------------------------------------------------------------


def _shape(item: msgspec.Raw | Mapping[str, Any]) -> EventInput:
    """Give an event its shape, and find out what is wrong where it has another one."""
    if not isinstance(item, msgspec.Raw):
        return _shape_of_members(item)
    try:
        return _decode(_EVENT, item)
    except msgspec.ValidationError:
        return _shape_of_members(_readable_members(item))


def _shape_of_members(members: Mapping[str, Any]) -> EventInput:
    for name in members:
        if name not in _FIELDS:
            _refuse("unknown_field", "No such field.", f"/{pointer_part(name)}")
    for name in ("id", "type"):
        if name not in members:
            _refuse("required", "This field is needed.", f"/{name}")
    for name, kinds, code in (
        ("id", (str,), "invalid_id"),
        ("type", (str,), "invalid_type"),
        ("subject", (str, type(None)), "invalid_subject"),
        ("properties", (dict, type(None)), "invalid_properties"),
        ("tenant", (str, type(None)), "invalid_type"),
    ):
        if not isinstance(members.get(name, None if type(None) in kinds else ""), kinds):
            _refuse(code, "The value is of another type.", f"/{name}")
    return EventInput(**members)


def _readable_members(raw: msgspec.Raw) -> dict[str, Any]:
    """Decode each member by itself, so that a number too long to read spoils only its own."""
    try:
        members = _decode(_MEMBERS, raw)
    except msgspec.ValidationError:
        _refuse("invalid_type", "An event is a JSON object.", "")
    return {name: _readable(value) for name, value in members.items()}


def _readable(raw: msgspec.Raw) -> object:
    try:
        return _decode(_VALUE, raw)
    except msgspec.ValidationError:
        return _UNREADABLE


def _id_to_tell(item: EventInput | msgspec.Raw | Mapping[str, Any]) -> str | None:
    if isinstance(item, EventInput):
        return tellable_id(item.id)
    return tellable_id(_members_or_none(item).get("id"))


def tellable_id(value: object) -> str | None:
    """Return the id that a rejection names: only one that an event could have."""
    if not isinstance(value, str) or len(value) > ID_CHARACTERS_MAX:
        return None
    return value if is_storable(value) else None


def _members_or_none(item: msgspec.Raw | Mapping[str, Any]) -> Mapping[str, Any]:
    if not isinstance(item, msgspec.Raw):
        return item
    try:
        return _readable_members(item)
    except _RefusedError:
        return {}


def _batch_of(items: Sequence[EventInput | msgspec.Raw]) -> Submission:
    if not 1 <= len(items) <= EVENTS_PER_BATCH_MAX:
        raise MalformedBodyError(f"A batch holds 1 to {EVENTS_PER_BATCH_MAX} events, not {len(items)}.")
    return Submission(is_batch=True, items=items)


def _members_of(body: bytes) -> dict[str, msgspec.Raw]:
    try:
        return _decode(_MEMBERS, body)
    except msgspec.ValidationError as error:
        raise MalformedBodyError("The body is not a JSON object.") from error


def _require_utf_8(body: bytes) -> None:
    try:
        body.decode()
    except UnicodeDecodeError as error:
        raise MalformedBodyError("The body is not UTF-8.") from error


def _decode(decoder: msgspec.json.Decoder[Decoded], text: bytes | msgspec.Raw) -> Decoded:
    """Decode, or raise ValidationError for another shape, MalformedBodyError for no JSON."""
    try:
        return decoder.decode(text)
    except msgspec.ValidationError:
        raise
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise MalformedBodyError(f"The body is not JSON: {error}.") from error
    except RecursionError as error:
        raise MalformedBodyError("The body is nested too deeply.") from error


def pointer_part(name: str) -> str:
    """Return a member's name as a part of a JSON Pointer, cut where it is absurdly long."""
    cut = name[:_POINTER_NAME_CHARACTERS_MAX]
    sound = cut.encode("utf-8", "replace").decode()
    return sound.replace("~", "~0").replace("/", "~1")


def _refuse_property(name: str, detail: str) -> NoReturn:
    _refuse("invalid_properties", detail, f"/properties/{pointer_part(name)}")


def _refuse(code: str, detail: str, pointer: str) -> NoReturn:
    raise _RefusedError(code, detail, pointer)


def _shown(instant: datetime) -> str:
    return instant.isoformat().replace("+00:00", "Z")
