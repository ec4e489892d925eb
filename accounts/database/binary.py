"""Parameters in PostgreSQL's binary form: arrays for `unnest`, made without a text of each value.

Source: PostgreSQL's `array_send`: dimensions, whether there is a NULL, the type's oid, length and lower bound; then
each value with its length before it.
"""

import struct
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Final
from uuid import UUID

BOOL, BYTEA, INT8, TEXT, TIMESTAMPTZ, UUID_OID, JSONB = 16, 17, 20, 25, 1184, 2950, 3802
_EPOCH: Final = datetime(2000, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_NULL: Final = b"\xff\xff\xff\xff"
_JSONB_VERSION: Final = b"\x01"

Parameter = tuple[bytes, int]
"""The bytes, and 1 if they are in binary form, 0 for text."""


def of_blobs(items: Sequence[bytes | None], oid: int = BYTEA) -> Parameter:
    """Return an array of values that are bytes already."""
    if not items:
        return struct.pack(">iii", 0, 0, oid), 1
    parts = [_NULL if item is None else len(item).to_bytes(4, "big") + item for item in items]
    return struct.pack(">iiiii", 1, 1, oid, len(items), 1) + b"".join(parts), 1


def of_texts(items: Sequence[str | None]) -> Parameter:
    """Return an array of texts."""
    return of_blobs([None if item is None else item.encode() for item in items], TEXT)


def of_jsons(items: Sequence[bytes]) -> Parameter:
    """Return an array of JSON values from their texts."""
    return of_blobs([_JSONB_VERSION + item for item in items], JSONB)


def of_ints(items: Sequence[int | None], oid: int = INT8) -> Parameter:
    """Return an array of whole numbers of 64 bits."""
    return of_blobs([None if item is None else item.to_bytes(8, "big", signed=True) for item in items], oid)


def of_instants(items: Sequence[datetime]) -> Parameter:
    """Return an array of instants."""
    micros = {item: (item - _EPOCH) // _MICROSECOND for item in set(items)}  # those of a batch are often one
    return of_ints([micros[item] for item in items], TIMESTAMPTZ)


def of_instant(item: datetime) -> Parameter:
    """Return one instant."""
    return item.isoformat().encode(), 0


def of_days(items: Sequence[date | None]) -> Parameter:
    """Return an array of days, as text."""
    return ("{" + ",".join(["NULL" if item is None else item.isoformat() for item in items]) + "}").encode(), 0


def of_uuids(items: Sequence[UUID]) -> Parameter:
    """Return an array of UUIDs."""
    return of_blobs([item.bytes for item in items], UUID_OID)


def of_bools(items: Sequence[bool]) -> Parameter:
    """Return an array of truths."""
    return of_blobs([b"\x01" if item else b"\x00" for item in items], BOOL)


def of_decimals(items: Sequence[Decimal]) -> Parameter:
    """Return an array of exact numbers, as text: their binary form costs more to make than to parse."""
    return ("{" + ",".join([format(item, "f") for item in items]) + "}").encode(), 0


def of_int(item: int) -> Parameter:
    """Return one whole number."""
    return str(item).encode(), 0
