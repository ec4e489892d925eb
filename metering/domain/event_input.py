"""The check of one event.

`parse_event` applies the contract's rules, and returns a `ParsedEvent` or a `Rejection`.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final, NoReturn

import msgspec

from metering.domain.canonical import (
    NUMBER_MAGNITUDE_MAX,
    InexactNumberError,
    PropertyValue,
    canonical_json,
    canonical_number,
    content_hash_of_canonical,
    event_key,
)
from metering.domain.conditions import passes
from metering.domain.event_bodies import ID_CHARACTERS_MAX, EventInput, Item, names_of, shape
from metering.domain.events import IngestRules, ParsedEvent, RefusedError, Rejection, refuse
from metering.domain.instants import InvalidInstantError, read_instant
from metering.domain.meter_rules import MeterRule
from metering.domain.quantities import read_quantity
from metering.domain.texts import is_storable, pointer_part

SUBJECT_CHARACTERS_MAX: Final = 255
PROPERTIES_MAX: Final = 50
PROPERTIES_BYTES_MAX: Final = 4096
# As seconds the year 5138, as milliseconds 1973.
SECONDS_MAX: Final = 10**11
_NO_PROPERTIES: Final = b"{}"
_ONE: Final = Decimal(1)
_PLAIN: Final = frozenset({str, bool, type(None)})


def parse_event(
    item: Item | Mapping[str, Any],
    index: int,
    received_at: datetime,
    rules: IngestRules,
    *,
    source: str = "",
) -> ParsedEvent | Rejection:
    """Parse and check one event. `received_at` is its time if it has none.

    Numbers in a mapping must be int or Decimal.
    """
    event: EventInput | None = None
    try:
        event = item if isinstance(item, EventInput) else shape(item)
        return _judge(event, index, received_at, rules, source)
    except RefusedError as refused:
        told_id, told_type = names_of(item if event is None else event)
        return Rejection(index, told_id, refused.code, refused.detail, refused.pointer, told_type, source)


def _judge(
    event: EventInput,
    index: int,
    received_at: datetime,
    rules: IngestRules,
    source: str,
) -> ParsedEvent:
    _require_id(event.id)
    if event.type not in rules.known_types:
        refuse("unknown_event_type", "No event type has this name.", "/type")
    if event.tenant is not None and not rules.accepts_tenant:
        refuse("tenant_not_allowed", "The key names the tenant.", "/tenant")
    if event.subject is not None:
        _require_subject(event.subject)
    given = _occurred_at(event.timestamp, rules)
    quantity = _quantity(event.quantity)
    properties, properties_json = _properties(event.properties)
    if given is None:
        occurred_at = received_at if received_at.tzinfo is UTC else received_at.astimezone(UTC)
    else:
        occurred_at = given
    if event.type in rules.formulas:
        _require_values(rules.formulas[event.type], Decimal(quantity), properties, occurred_at, received_at)
    return ParsedEvent(
        index,
        event_key(source, event.id),
        content_hash_of_canonical(event.type, given, quantity, event.subject, properties_json),
        source,
        event.id,
        event.type,
        occurred_at,
        _ONE if quantity == 1 else Decimal(quantity),
        event.subject,
        properties,
        properties_json,
        event.tenant,
    )


def _require_values(
    meters: Sequence[MeterRule],
    quantity: Decimal,
    properties: Mapping[str, PropertyValue],
    occurred_at: datetime,
    received_at: datetime,
) -> None:
    """Refuse an event that a meter counts and whose value it cannot compute: it would be billed as nothing."""
    for meter in meters:
        if (
            meter.formula is not None
            and meter.counts_from <= received_at
            and meter.begins_at <= occurred_at < meter.ends_at
            and passes(meter.filters, properties)
        ):
            failure = meter.formula.failure(quantity, properties)
            if failure is not None:
                pointer = "/properties" if failure.name is None else f"/properties/{pointer_part(failure.name)}"
                refuse("formula_failed", f"The meter {meter.code} cannot be computed: {failure.reason}.", pointer)


def _require_id(text: str) -> None:
    if not 1 <= len(text) <= ID_CHARACTERS_MAX:
        refuse("invalid_id", "An id has 1 to 255 characters.", "/id")
    if not is_storable(text):
        refuse("invalid_id", "An id holds no NUL and no lone surrogate.", "/id")


def _require_subject(text: str) -> None:
    if len(text) > SUBJECT_CHARACTERS_MAX:
        refuse("invalid_subject", "At most 255 characters.", "/subject")
    if not is_storable(text):
        refuse("invalid_subject", "No NUL and no lone surrogate.", "/subject")


def _occurred_at(value: object, rules: IngestRules) -> datetime | None:
    """Return the given time, or None if there is none."""
    if value is msgspec.UNSET:
        return None
    try:
        instant = read_instant(value)
    except InvalidInstantError as error:
        refuse("invalid_timestamp", str(error), "/timestamp")
    if instant < rules.window_start:
        refuse(
            "timestamp_too_old",
            f"Before {_shown(rules.window_start)}, the start of the backfill window.{_seconds_hint(value)}",
            "/timestamp",
        )
    if instant > rules.latest:
        refuse(
            "timestamp_in_future",
            f"After {_shown(rules.latest)}, the latest time accepted now.",
            "/timestamp",
        )
    return instant


def _seconds_hint(value: object) -> str:
    """Return what to say about an integer that is a time of these years only if it counts seconds."""
    if isinstance(value, int) and value < SECONDS_MAX:
        return f" An integer is epoch milliseconds: if {value} counts seconds, send {value}000."
    return ""


def _quantity(value: object) -> int | Decimal:
    if value is msgspec.UNSET:
        return 1
    try:
        return read_quantity(value)
    except ValueError as error:
        refuse("invalid_quantity", str(error), "/quantity")


def _properties(
    given: dict[str, Any] | None,
) -> tuple[dict[str, PropertyValue], bytes]:
    """Return the properties with canonical numbers, and their canonical JSON."""
    if not given:
        return {}, _NO_PROPERTIES
    if len(given) > PROPERTIES_MAX:
        refuse("invalid_properties", "At most 50 properties.", "/properties")
    properties, text = _plain_properties(given)
    if text is None:
        properties = {name: _property(name, value) for name, value in given.items()}
        text = canonical_json(properties)
    if len(text) > PROPERTIES_BYTES_MAX:
        refuse("invalid_properties", "At most 4 KiB of JSON.", "/properties")
    return properties, text


def _plain_properties(given: dict[str, Any]) -> tuple[dict[str, PropertyValue], bytes | None]:
    """Return properties that are canonical as they are, as most are, and their JSON: None if one may not be.

    A NUL, which PostgreSQL cannot store, is escaped in JSON; a lone surrogate cannot be encoded.
    """
    for value in given.values():
        kind = value.__class__
        if kind not in _PLAIN and not (kind is int and -NUMBER_MAGNITUDE_MAX < value < NUMBER_MAGNITUDE_MAX):
            return given, None
    try:
        text = canonical_json(given)
    except UnicodeEncodeError:
        return given, None
    return given, None if b"\\u0000" in text else text


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


def _refuse_property(name: str, detail: str) -> NoReturn:
    refuse("invalid_properties", detail, f"/properties/{pointer_part(name)}")


def _shown(instant: datetime) -> str:
    return instant.isoformat().replace("+00:00", "Z")
