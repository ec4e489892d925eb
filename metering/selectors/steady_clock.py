"""The clock by which a process tells how old its own memory is: it never steps back, and no request dates it."""

import time
from datetime import UTC, datetime, timedelta
from typing import Final

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def steady_instant() -> datetime:
    """Return an instant that is good for nothing but its distance from another."""
    return _EPOCH + timedelta(microseconds=time.monotonic_ns() // 1000)
