"""A cache of less than a second in each process, so that a change made elsewhere is seen within one.

Age is counted from the instant at which a request began, not from when its value arrived: a value read while a change
was being committed expires in time too. If the clock steps back, the cache is emptied.

A value that was read with its version may be renewed without being read again, many at once: while the stored version
is the same, it stays; with any other it is dropped, and the next request reads version and value together.
"""

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Generic, TypeVar

MEMORY_AGE_MAX: Final = timedelta(milliseconds=750)
# A value that no request needed for so long is not renewed.
RENEWED_AFTER_USE: Final = timedelta(minutes=1)
_ENTRIES_MAX: Final = 10_000
_NO_AGE: Final = timedelta(0)

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")


@dataclass(slots=True)
class _Entry(Generic[Value]):
    """A value, when it was true, its version, and when it was last needed."""

    value: Value
    as_of: datetime
    version: str | None
    used_at: datetime


class ShortMemory(Generic[Key, Value]):
    """Values by key, each kept for `MEMORY_AGE_MAX` from the instant it was requested or renewed."""

    def __init__(self, age_max: timedelta = MEMORY_AGE_MAX) -> None:
        self._age_max = age_max
        self._entries: dict[Key, _Entry[Value]] = {}

    def recall(self, key: Key, as_of: datetime) -> Value | None:
        """Return the value, if it is young enough at `as_of`."""
        entry = self._entries.get(key)
        if entry is None or not _NO_AGE <= as_of - entry.as_of < self._age_max:
            return None
        entry.used_at = as_of
        return entry.value

    def keep(self, key: Key, value: Value, as_of: datetime, *, version: str | None = None) -> None:
        """Store a value that was read for a request begun at `as_of`. If the cache is full, empty it first.

        `version` was read before the value or with it. Without one the value is never renewed.
        """
        if len(self._entries) >= _ENTRIES_MAX:
            self._entries = {}
        self._entries[key] = _Entry(value, as_of, version, as_of)

    def renewable(self, as_of: datetime) -> list[Key]:
        """Return the keys of the values that are worth renewing."""
        return [
            key
            for key, entry in list(self._entries.items())
            if entry.version is not None and as_of - entry.used_at < RENEWED_AFTER_USE
        ]

    def renew(self, keys: list[Key], versions: Mapping[Key, str], as_of: datetime) -> None:
        """Keep those of `keys` whose stored versions, read after `as_of`, are their own; drop the others."""
        for key in keys:
            entry = self._entries.get(key)
            if entry is None:
                continue
            if entry.version is not None and versions.get(key) == entry.version:
                entry.as_of = max(entry.as_of, as_of)
            else:
                self._entries.pop(key, None)

    def forget(self, key: Key) -> None:
        """Drop one value."""
        self._entries.pop(key, None)

    def forget_all(self) -> None:
        """Drop every value."""
        self._entries = {}
