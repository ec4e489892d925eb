"""The arithmetic of the throttle, and the headers that show a client its limits.

A bucket counts micro-tokens and time is in microseconds, so every step is a whole number and the
same computations in SQL and Lua give the same result. No product exceeds 2^53, the bound of exact
numbers in Lua, while `burst` is at most `BURST_MAX`. See `docs/algorithms/limits.md`.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from typing import Final, NamedTuple

MICRO: Final = 1_000_000
RATE_MAX: Final = 1_000_000
BURST_MAX: Final = 1_000_000_000
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
# RFC 9651 lets an integer have 15 digits.
_HEADER_INTEGER_MAX: Final = 10**15 - 1


class Bucket(NamedTuple):
    """The tokens left, in millionths, and the time at which they were counted, in microseconds since 1970."""

    micro_tokens: int
    updated_at_microseconds: int


class Taken(NamedTuple):
    """The outcome of `take`. A refusal takes nothing, but the refill is kept.

    `retry_after_microseconds` is 0 if the request was allowed, and None if it never will be.
    """

    is_allowed: bool
    bucket: Bucket
    remaining: int
    retry_after_microseconds: int | None
    full_at: datetime


class LimitState(NamedTuple):
    """One limit as a client sees it. A throttle's limit is its burst."""

    name: str
    limit: Decimal
    remaining: Decimal
    resets_at: datetime
    window_seconds: int


def take(bucket: Bucket | None, rate: int, burst: int, cost: int, as_of: datetime) -> Taken:
    """Take `cost` tokens from a bucket that gains `rate` tokens a second, up to `burst`.

    None means a full bucket. If the clock went back, nothing is refilled.
    """
    assert 1 <= rate <= RATE_MAX, "a rate is within exact arithmetic"
    assert 1 <= burst <= BURST_MAX, "a burst is within exact arithmetic"
    assert cost >= 0, "nothing is given back by taking"
    now = (as_of - _EPOCH) // _MICROSECOND
    filled = _refilled(bucket, rate, burst, now)
    needed = cost * MICRO
    is_allowed = filled.micro_tokens >= needed
    left = filled.micro_tokens - (needed if is_allowed else 0)
    after = Bucket(left, filled.updated_at_microseconds)
    wait = 0 if is_allowed else _wait(needed - left, rate) + after.updated_at_microseconds - now
    until_full = _wait(burst * MICRO - left, rate) + after.updated_at_microseconds
    return Taken(
        is_allowed=is_allowed,
        bucket=after,
        remaining=left // MICRO,
        retry_after_microseconds=None if cost > burst else wait,
        full_at=_EPOCH + until_full * _MICROSECOND,
    )


def _refilled(bucket: Bucket | None, rate: int, burst: int, now: int) -> Bucket:
    """Return the bucket at `now`. A rate of tokens a second is micro-tokens a microsecond."""
    capacity = burst * MICRO
    if bucket is None:
        return Bucket(capacity, now)
    tokens = min(bucket.micro_tokens, capacity)
    elapsed = max(now - bucket.updated_at_microseconds, 0)
    # Bounding the time before multiplying keeps the product below capacity + rate.
    gained = min(elapsed, _wait(capacity - tokens, rate)) * rate
    return Bucket(min(tokens + gained, capacity), max(now, bucket.updated_at_microseconds))


def _wait(micro_tokens: int, rate: int) -> int:
    """Return the whole microseconds until `micro_tokens` are gained, rounded up."""
    return -(-micro_tokens // rate)


def seconds_until(instant: datetime, as_of: datetime) -> int:
    """Return the whole seconds from `as_of` until `instant`, rounded up and not negative."""
    return max(-((as_of - instant) // timedelta(seconds=1)), 0)


def retry_after(microseconds: int) -> str:
    """Format `Retry-After`: whole seconds, rounded up, at least 1."""
    return str(max(-(-microseconds // MICRO), 1))


def rate_limit_policy_header(states: Sequence[LimitState]) -> str:
    """Format `RateLimit-Policy`, as in `"throttle";q=100;w=1, "quota";q=10000;w=2592000`."""
    return ", ".join([_policy(state.name, state.limit, state.window_seconds) for state in states])


@lru_cache(maxsize=1024)
def _policy(name: str, limit: Decimal, window_seconds: int) -> str:
    return f"{_quoted(name)};q={_integer(limit)};w={window_seconds}"


def rate_limit_header(states: Sequence[LimitState], as_of: datetime) -> str:
    """Format `RateLimit`, as in `"throttle";r=99;t=1, "quota";r=8123;t=86400`."""
    return ", ".join(
        [
            f"{_quoted(state.name)};r={_integer(state.remaining)};t={seconds_until(state.resets_at, as_of)}"
            for state in states
        ]
    )


@lru_cache(maxsize=1024)
def _quoted(name: str) -> str:
    """Return a structured-field string (RFC 9651): printable ASCII, others as `?`."""
    printable = "".join(character if " " <= character <= "~" else "?" for character in name)
    escaped = printable.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _integer(quantity: Decimal) -> int:
    """Return a quantity as a header's integer: rounded down, and 0 if it is negative."""
    if quantity <= 0:
        return 0
    return _HEADER_INTEGER_MAX if quantity > _HEADER_INTEGER_MAX else int(quantity)
