"""A cache of less than a second in each process, so that a change made elsewhere is seen within one.

Age is counted from the instant at which a request began, not from when its value arrived: a value read while a change
was being committed expires in time too. If the clock steps back, the cache is emptied.
"""

from collections.abc import Hashable
from datetime import datetime, timedelta
from typing import Final, Generic, TypeVar

MEMORY_AGE_MAX: Final = timedelta(milliseconds=750)
_ENTRIES_MAX: Final = 10_000
_NO_AGE: Final = timedelta(0)

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")


class ShortMemory(Generic[Key, Value]):
    """Values by key, each kept for `MEMORY_AGE_MAX` from the instant it was requested."""

    def __init__(self, age_max: timedelta = MEMORY_AGE_MAX) -> None:
        self._age_max = age_max
        self._entries: dict[Key, tuple[datetime, Value]] = {}

    def recall(self, key: Key, as_of: datetime) -> Value | None:
        """Return the value, if it is young enough at `as_of`."""
        entry = self._entries.get(key)
        if entry is None or not _NO_AGE <= as_of - entry[0] < self._age_max:
            return None
        return entry[1]

    def keep(self, key: Key, value: Value, as_of: datetime) -> None:
        """Store a value that was read for a request begun at `as_of`. If the cache is full, empty it first."""
        if len(self._entries) >= _ENTRIES_MAX:
            self._entries = {}
        self._entries[key] = (as_of, value)

    def forget(self, key: Key) -> None:
        """Drop one value."""
        self._entries.pop(key, None)

    def forget_all(self) -> None:
        """Drop every value."""
        self._entries = {}
