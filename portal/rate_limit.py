"""A limit on how often a page may be asked for, counted in the shared cache, so that it holds across processes.

It counts in fixed windows. Two requests at the same moment may count as one, which is good enough to stop a flood.
"""

import hashlib
from dataclasses import dataclass
from datetime import datetime

from django.core.cache import cache


@dataclass(frozen=True, slots=True)
class Rate:
    """At most `requests_max` requests in a window of `seconds`; `name` is what is limited."""

    name: str
    requests_max: int
    seconds: int


def is_too_often(rate: Rate, whose: str, *, as_of: datetime) -> bool:
    """Count a request, and return whether it is over the limit. `whose` is an address or an id."""
    window = int(as_of.timestamp()) // rate.seconds
    digest = hashlib.sha256(f"{rate.name}|{whose}|{window}".encode()).hexdigest()
    key = f"often:{digest[:40]}"
    cache.add(key, 0, timeout=2 * rate.seconds)
    try:
        count = cache.incr(key)
    except ValueError:  # it was evicted between the two calls
        return False
    return int(count) > rate.requests_max
