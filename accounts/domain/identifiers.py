"""Identifiers made in Python, so that a row's id is known before it is written."""

import secrets
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)


def uuid7(as_of: datetime) -> UUID:
    """Return a UUID of version 7 (RFC 9562, section 5.7) that sorts by `as_of`.

    The 12 bits after the version carry the microseconds (section 6.2, method 3), so
    identifiers of different microseconds are in order; within one, the order is random.
    """
    assert as_of.tzinfo is not None, "an instant is aware"
    microseconds = (as_of - _EPOCH) // _MICROSECOND
    assert 0 <= microseconds < 1000 << 48, "an instant of a UUID is after 1970"
    milliseconds, rest = divmod(microseconds, 1000)
    return UUID(int=milliseconds << 80 | 0x7 << 76 | (rest << 12) // 1000 << 64 | 0b10 << 62 | secrets.randbits(62))
