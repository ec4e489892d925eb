"""Limits in Redis: one script per call, atomic because Redis runs one at a time.

The ledger is the source of truth. What Redis loses is summed up from it again, so an absent counter is not zero but
unknown, and the result is None. A `take` is never retried: without a response it is unknown whether it was done.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import redis

from accounts.errors import StoreUnavailableError
from accounts.gateways.redis import CONNECTION, BoundedRedis
from metering.domain.ledger import CounterKey, Ledger
from metering.domain.limit_policy import Claim, LimitLevels, Throttle, microseconds_of, running_spans
from metering.domain.limit_scopes import SUBJECTS_SCOPE
from metering.domain.limits import MICRO, Bucket
from metering.domain.quantities import EXACT
from metering.domain.reservations import NOBODY_HOLDS, NOTHING_HELD, Held

SCRIPT: Final = Path(__file__).with_name("limits.lua").read_text()
# A connection that was idle for longer is checked before use, since a server that restarted has closed it.
IDLE_SECONDS_MAX: Final = 5
KEPT_AFTER_PERIOD: Final = timedelta(days=1)
_SECOND: Final = timedelta(seconds=1)
# Quantities are texts of 70 digits in units of 10^-30. The offset keeps them positive, so that texts compare as
# numbers; an amount has no offset and wraps around instead. There is room for 10^19 events of the largest quantity.
_DIGITS: Final = 70
_DECIMAL_PLACES: Final = 30
_WHOLE: Final = 10**_DIGITS
_OFFSET: Final = _WHOLE // 2
_ZERO_TEXT: Final = "0" * _DIGITS


class RedisLimits:
    """The counters and buckets of all tenants in one Redis, under one prefix."""

    is_transactional = False

    def __init__(self, url: str, prefix: str = "countinghouse:limits") -> None:
        self._redis = BoundedRedis.from_url(
            url, decode_responses=True, health_check_interval=IDLE_SECONDS_MAX, **CONNECTION
        )
        self._script = self._redis.register_script(SCRIPT)
        self._prefix = prefix

    def close(self) -> None:
        """Close the connections."""
        self._redis.close()

    def peek(self, claim: Claim) -> LimitLevels | None:
        """Return whether the claim would pass, without taking. None if a counter is unknown."""
        try:
            return self._execute("peek", claim)
        except StoreUnavailableError:
            # Reading twice is harmless, and a connection may be stale.
            return self._execute("peek", claim)

    def take(self, claim: Claim) -> LimitLevels | None:
        """Take the whole claim or nothing. Returns None if a counter is unknown."""
        return self._execute("take", claim)

    def add(self, ledger: Ledger, amounts: Mapping[CounterKey, Decimal]) -> None:
        """Add ingested amounts; an unknown counter stays unknown."""
        arguments = [
            word
            for key, amount in amounts.items()
            for word in (_field(key), _marker_of(key), amount_text(amount), _ZERO_TEXT, "0", "")
        ]
        self._run([self._hash(ledger, key) for key in amounts], ["add", 0, 0, "", 0, len(amounts), *arguments])

    def store(
        self,
        ledger: Ledger,
        used: Mapping[CounterKey, Decimal],
        as_of: datetime,
        held: Mapping[CounterKey, Held] = NOBODY_HOLDS,
    ) -> None:
        """Set counters to the values of the ledger. Exact while the ledger is locked."""
        with _outage_as_503(), self._redis.pipeline() as pipeline:
            for key, quantity in used.items():
                name, of_key = self._hash(ledger, key), held.get(key, NOTHING_HELD)
                text = used_text(quantity) + amount_text(of_key.amount) + _expiry_text(of_key.next_expiry_at)
                pipeline.hset(name, _field(key), text)
                pipeline.expire(name, (key.period_end - as_of + KEPT_AFTER_PERIOD) // _SECOND)
            pipeline.execute()

    def used_by_subjects(
        self, ledger: Ledger, marker: CounterKey, keys: Sequence[CounterKey]
    ) -> dict[CounterKey, Decimal] | None:
        """Return what is used of these counters. None if the store does not know those of all subjects."""
        with _outage_as_503():
            known, *texts = self._redis.hmget(self._hash(ledger, marker), [_field(marker), *map(_field, keys)])
        if known is None:
            return None
        return {
            key: Decimal(0) if text is None else used_from(str(text)[:_DIGITS])
            for key, text in zip(keys, texts, strict=True)
        }

    def store_subjects(
        self,
        ledger: Ledger,
        marker: CounterKey,
        used: Mapping[CounterKey, Decimal],
        as_of: datetime,
        held: Mapping[CounterKey, Held],
    ) -> None:
        """Replace the counters of all subjects. Exact while the ledger is locked."""
        name = self._hash(ledger, marker)
        with _outage_as_503():
            of_subjects = [field for field in self._redis.hkeys(name) if _is_of_subject(str(field), marker.meter_id)]
            if of_subjects:
                self._redis.hdel(name, *of_subjects)
        self.store(ledger, {**used, marker: Decimal(0)}, as_of, held)

    def fill_buckets(self, ledger: Ledger, throttles: Sequence[Throttle], as_of: datetime) -> None:
        """Skip: an absent bucket is full."""

    def forget(self, ledger: Ledger, as_of: datetime) -> None:
        """Mark the current counters as unknown, so that they are summed up again."""
        spans = running_spans(ledger, as_of)
        with _outage_as_503():
            self._redis.delete(*(self._span_hash(ledger, span.start, span.end) for span in spans))

    def stored(self, ledger: Ledger, as_of: datetime) -> dict[CounterKey, Decimal]:
        """Return every current counter that is known."""
        used: dict[CounterKey, Decimal] = {}
        with _outage_as_503():
            for start, end in running_spans(ledger, as_of):
                for field, text in self._redis.hgetall(self._span_hash(ledger, start, end)).items():
                    key = _key_of(str(field), start, end)
                    if key.scope_id != SUBJECTS_SCOPE:
                        used[key] = used_from(str(text)[:_DIGITS])
        return used

    def delete_ended(self, ended_before: datetime) -> int:  # noqa: ARG002 - the protocol's
        """Skip: counters expire a day after their period."""
        return 0

    def _execute(self, mode: str, claim: Claim) -> LimitLevels | None:
        keys = [
            *(self._bucket(claim.ledger, throttle.scope_id) for throttle in claim.throttles),
            *(self._hash(claim.ledger, key) for key in claim.keys),
        ]
        counts = (len(claim.throttles), len(claim.counters))
        now, expiry = microseconds_of(claim.as_of), _expiry_text(claim.held_until)
        head: tuple[str | int, ...] = (mode, now, claim.cost * MICRO, expiry, *counts)
        buckets = (word for throttle in claim.throttles for word in (throttle.rate, throttle.burst * MICRO))
        counters = (
            word
            for counter in claim.counters
            for word in (
                _field(counter.key),
                _marker_of(counter.key),
                amount_text(EXACT.subtract(counter.amount, counter.held)),
                amount_text(counter.held),
                "1" if counter.is_refusing else "0",
                used_text(counter.quota.limit),
            )
        )
        outcome, *texts = self._run(keys, [*head, *buckets, *counters])
        if outcome == "missing":
            return None
        return LimitLevels(
            is_allowed=outcome == "allowed",
            buckets=tuple(_bucket_from(text) for text in texts[: len(claim.throttles)]),
            used=tuple(used_from(text) for text in texts[len(claim.throttles) :]),
        )

    def _run(self, keys: Sequence[str], arguments: Sequence[str | int]) -> list[Any]:
        with _outage_as_503():
            answer: list[Any] = self._script(keys=keys, args=arguments)
        return answer

    def _of_ledger(self, ledger: Ledger) -> str:
        """Return the prefix of a ledger's keys. The braces keep them on one node of a cluster, as a script needs."""
        return f"{self._prefix}:{{{ledger.tenant_id.hex}:{'live' if ledger.is_live else 'test'}}}"

    def _bucket(self, ledger: Ledger, scope_id: UUID) -> str:
        return f"{self._of_ledger(ledger)}:bucket:{scope_id.hex}"

    def _hash(self, ledger: Ledger, key: CounterKey) -> str:
        return self._span_hash(ledger, key.period_start, key.period_end)

    def _span_hash(self, ledger: Ledger, start: datetime, end: datetime) -> str:
        """Return the key of the hash with all counters of a period: they expire and are forgotten together."""
        return f"{self._of_ledger(ledger)}:used:{microseconds_of(start)}:{microseconds_of(end)}"


@contextmanager
def _outage_as_503() -> Iterator[None]:
    """Raise the contract's 503 for every failure of Redis."""
    try:
        yield
    except redis.RedisError as error:
        raise StoreUnavailableError(
            "The store of the limits does not respond. Nothing was counted. Try again."
        ) from error


def used_text(quantity: Decimal) -> str:
    """Format usage or a limit so that texts compare as the numbers do."""
    return f"{_units(quantity) + _OFFSET:0{_DIGITS}d}"


def amount_text(quantity: Decimal) -> str:
    """Format an amount to add; a negative one wraps around."""
    return f"{_units(quantity) % _WHOLE:0{_DIGITS}d}"


def used_from(text: str) -> Decimal:
    """Parse the result of `used_text`."""
    return EXACT.scaleb(Decimal(int(text) - _OFFSET), -_DECIMAL_PLACES)


def _units(quantity: Decimal) -> int:
    units = EXACT.scaleb(quantity, _DECIMAL_PLACES)
    assert units == units.to_integral_value(), "a quantity has at most 30 digits after the point"
    assert abs(units) < _OFFSET, "a quantity is within exact arithmetic"
    return int(units)


def _expiry_text(expires_at: datetime | None) -> str:
    """Format when something held expires; empty if nothing is held."""
    return "" if expires_at is None else str(microseconds_of(expires_at))


def _field(key: CounterKey) -> str:
    """Return the field of a counter: scope and meter, and the subject, whose scope cannot be read back."""
    field = f"{key.scope_id.hex}:{key.meter_id}"
    return field if key.subject is None else f"{field}:{key.subject}"


def _marker_of(key: CounterKey) -> str:
    """Return the field which tells that a counter of a subject that is missing is 0; empty for other counters."""
    return "" if key.subject is None else f"{SUBJECTS_SCOPE.hex}:{key.meter_id}"


def _key_of(field: str, start: datetime, end: datetime) -> CounterKey:
    scope, meter_id, *subject = field.split(":", 2)
    return CounterKey(UUID(hex=scope), int(meter_id), start, end, subject[0] if subject else None)


def _is_of_subject(field: str, meter_id: int) -> bool:
    _, of_meter, *subject = field.split(":", 2)
    return bool(subject) and of_meter == str(meter_id)


def _bucket_from(text: str | None) -> Bucket | None:
    if text is None:
        return None
    tokens, updated_at = text.split(":")
    return Bucket(int(tokens), int(updated_at))
