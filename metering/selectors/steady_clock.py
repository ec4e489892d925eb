"""The clock for the age of a process's caches: it never goes back, and no request sets it."""

import time
from datetime import UTC, datetime, timedelta
from typing import Final

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def steady_instant() -> datetime:
    """Return an instant that is only useful for its distance from another."""
    return _EPOCH + timedelta(microseconds=time.monotonic_ns() // 1000)
