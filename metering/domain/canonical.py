"""One spelling for equal things: an event's identity, its content hash, its exact numbers.

Two reports are the same event if `event_key` is equal, and have the same content if
`content_hash` is. Both are stored for ever, so their input never changes;
`docs/algorithms/event_identity.md` defines it with worked values.
"""

import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Context, Decimal, Inexact
from typing import Final

import msgspec

PropertyValue = str | int | Decimal | bool | None

EVENT_KEY_BYTES: Final = 16
NUMBER_MAGNITUDE_MAX: Final = 10**20
NUMBER_DECIMAL_PLACES_MAX: Final = 30
# 20 digits before the point and 30 after it. Longer numbers are refused, never rounded.
_EXACT: Final = Context(prec=50, traps=[Inexact])

_JSON: Final = msgspec.json.Encoder(decimal_format="number")
_SORTED_JSON: Final = msgspec.json.Encoder(decimal_format="number", order="sorted")


class InexactNumberError(ValueError):
    """A number cannot be stored exactly."""


def event_key(source: str, id: str) -> bytes:  # noqa: A002 -- the contract's own name
    """Return the 16 bytes that make (source, id) unique within a tenant.

    The length of the source comes first, so no two pairs share an encoding.
    """
    encoded = source.encode()
    text = len(encoded).to_bytes(4, "big") + encoded + id.encode()
    return hashlib.sha256(text).digest()[:EVENT_KEY_BYTES]


def content_hash(
    type: str,  # noqa: A002 -- the contract's own name
    occurred_at_given: datetime | None,
    quantity: Decimal,
    subject: str | None,
    properties: Mapping[str, PropertyValue],
) -> bytes:
    """Return the 32 bytes by which two reports under one id are compared.

    `occurred_at_given` is None if the sender gave no time.
    """
    return content_hash_of_canonical(
        type,
        None if occurred_at_given is None else occurred_at_given.astimezone(UTC),
        canonical_number(quantity),
        subject,
        canonical_json(canonical_properties(properties)),
    )


def content_hash_of_canonical(
    type: str,  # noqa: A002 -- the contract's own name
    occurred_at_given: datetime | None,
    quantity: int | Decimal,
    subject: str | None,
    properties_json: bytes,
) -> bytes:
    """Return `content_hash` of parts that already are in canonical form, the time in UTC."""
    given = None
    if occurred_at_given is not None:
        given = occurred_at_given.isoformat()
    parts = (type, given, quantity, subject, msgspec.Raw(properties_json))
    return hashlib.sha256(_JSON.encode(parts)).digest()


def canonical_number(value: int | Decimal) -> int | Decimal:
    """Return the canonical form of a number: an int if it is whole, else without trailing zeros.

    Raises `InexactNumberError` if it is not finite, 10^20 or more, or finer than 10^-30.
    """
    if isinstance(value, int):
        if -NUMBER_MAGNITUDE_MAX < value < NUMBER_MAGNITUDE_MAX:
            return value
        raise InexactNumberError("too large")
    if not value.is_finite():
        raise InexactNumberError("not a finite number")
    if not value:
        return 0
    if value.adjusted() >= len(str(NUMBER_MAGNITUDE_MAX)) - 1:
        raise InexactNumberError("too large")
    if value.adjusted() < -NUMBER_DECIMAL_PLACES_MAX:
        raise InexactNumberError("too many digits after the point")
    return _without_trailing_zeros(value)


def canonical_properties(
    properties: Mapping[str, PropertyValue],
) -> dict[str, PropertyValue]:
    """Return the properties with each number in its canonical form."""
    return {
        name: canonical_number(value) if isinstance(value, (int, Decimal)) and not isinstance(value, bool) else value
        for name, value in properties.items()
    }


def canonical_json(properties: Mapping[str, PropertyValue]) -> bytes:
    """Return canonical properties as UTF-8 JSON: names sorted, no spaces, exact numbers."""
    return _SORTED_JSON.encode(properties)


def _without_trailing_zeros(value: Decimal) -> int | Decimal:
    try:
        normal = _EXACT.normalize(value)
    except Inexact as inexact:
        raise InexactNumberError("too many digits") from inexact
    exponent = normal.as_tuple().exponent
    assert isinstance(exponent, int), "a finite number has a whole exponent"
    if exponent < -NUMBER_DECIMAL_PLACES_MAX:
        raise InexactNumberError("too many digits after the point")
    return int(normal) if exponent >= 0 else normal
