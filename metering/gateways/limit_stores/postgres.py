"""Limits in PostgreSQL, in unlogged tables: a crash of the server empties them, and the ledger fills them again.

`take` comes before the statement that stores the event, in one transaction: the ledger, counters, buckets and then
usage are locked in the order in which all statements lock them, and a rollback undoes everything.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

from accounts.sql import as_json, fetch_all
from metering.domain.ledger import CounterKey, Ledger
from metering.domain.limit_policy import Claim, LimitLevels, Throttle, microseconds_of, running_spans
from metering.domain.limit_scopes import SUBJECTS_SCOPE
from metering.domain.limits import MICRO, Bucket
from metering.domain.reservations import NOBODY_HOLDS, NOTHING_HELD, Held

_ZERO: Final = Decimal(0)

# A claim locks its rows in the order of their keys, counters before buckets, so that no two claims deadlock. A row
# that changed while the statement waited for it is read in its current state, not as it was when the statement began.
_CLAIM = """
WITH gate AS MATERIALIZED ({gate}),
claim_counter AS MATERIALIZED (
    SELECT c.* FROM gate, jsonb_to_recordset(%(counters)s::jsonb) AS c(position int, scope_id uuid, meter_id bigint,
        period_start timestamptz, period_end timestamptz, amount numeric, held numeric, quota numeric,
        is_refusing boolean)
),
claim_bucket AS MATERIALIZED (
    SELECT b.* FROM gate, jsonb_to_recordset(%(buckets)s::jsonb)
        AS b(position int, scope_id uuid, rate bigint, capacity bigint)
),
counter AS MATERIALIZED (
    SELECT c.*, l.used + l.held AS used
    FROM limit_counter AS l JOIN claim_counter AS c USING (scope_id, meter_id, period_start, period_end)
    WHERE l.tenant_id = %(tenant_id)s::uuid AND l.is_live = %(is_live)s AND l.is_ready
        AND (l.next_expiry_at IS NULL OR l.next_expiry_at > %(as_of)s::timestamptz)
    ORDER BY c.scope_id, c.meter_id, c.period_start, c.period_end
    {hold_counters}
),
stored_bucket AS MATERIALIZED (
    SELECT b.*, l.tokens_micro, l.updated_at,
        least(l.tokens_micro, b.capacity) AS tokens,
        greatest((extract(epoch FROM %(as_of)s::timestamptz - l.updated_at) * 1000000)::bigint, 0) AS elapsed
    FROM limit_bucket AS l JOIN claim_bucket AS b USING (scope_id)
    WHERE l.tenant_id = %(tenant_id)s::uuid AND l.is_live = %(is_live)s AND (SELECT count(*) FROM counter) >= 0
    ORDER BY b.scope_id
    {hold_buckets}
),
bucket AS (
    -- Bounding the time before multiplying keeps the product in reach; the division rounds up.
    SELECT *, least(tokens + least(elapsed, (capacity - tokens + rate - 1) / rate) * rate, capacity) AS filled
        FROM stored_bucket
),
verdict AS (
    SELECT
        (SELECT count(*) FROM counter) = (SELECT count(*) FROM claim_counter)
            AND (SELECT count(*) FROM bucket) = (SELECT count(*) FROM claim_bucket) AS is_known,
        NOT EXISTS (SELECT FROM counter WHERE is_refusing AND used + amount > quota)
            AND NOT EXISTS (SELECT FROM bucket WHERE filled < %(cost)s) AS is_allowed
)
{write}
SELECT is_known, is_allowed,
    (SELECT array_agg(used ORDER BY position) FROM counter),
    (SELECT array_agg(tokens_micro ORDER BY position) FROM bucket),
    (SELECT array_agg(updated_at ORDER BY position) FROM bucket)
FROM verdict
"""
_WRITE = """,
counted AS (
    UPDATE limit_counter AS l SET used = l.used + c.amount - c.held, held = l.held + c.held,
        next_expiry_at = least(l.next_expiry_at, %(held_until)s::timestamptz)
    FROM counter AS c, verdict AS v
    WHERE v.is_known AND v.is_allowed AND l.tenant_id = %(tenant_id)s::uuid AND l.is_live = %(is_live)s
        AND l.scope_id = c.scope_id AND l.meter_id = c.meter_id AND l.period_start = c.period_start
        AND l.period_end = c.period_end
),
poured AS (
    UPDATE limit_bucket AS l SET tokens_micro = b.filled - %(cost)s,
        updated_at = greatest(b.updated_at, %(as_of)s::timestamptz)
    FROM bucket AS b, verdict AS v
    WHERE v.is_known AND v.is_allowed AND l.tenant_id = %(tenant_id)s::uuid AND l.is_live = %(is_live)s
        AND l.scope_id = b.scope_id
)"""
PEEK: Final = _CLAIM.format(gate="SELECT", hold_counters="", hold_buckets="", write="")
TAKE: Final = _CLAIM.format(
    gate="SELECT pg_advisory_xact_lock_shared(%(lock_key)s)",
    hold_counters="FOR UPDATE OF l",
    hold_buckets="FOR UPDATE OF l",
    write=_WRITE,
)

STORE_COUNTERS: Final = """
INSERT INTO limit_counter (tenant_id, is_live, scope_id, meter_id, period_start, period_end, used, held,
    next_expiry_at, is_ready, subject)
SELECT %(tenant_id)s::uuid, %(is_live)s, scope_id, meter_id, period_start, period_end, used, held, next_expiry_at, true,
    subject
FROM jsonb_to_recordset(%(counters)s::jsonb)
    AS c(scope_id uuid, meter_id bigint, period_start timestamptz, period_end timestamptz, used numeric, held numeric,
        next_expiry_at timestamptz, subject text)
ORDER BY scope_id, meter_id, period_start, period_end
ON CONFLICT ON CONSTRAINT limit_counter_once DO UPDATE SET used = excluded.used, held = excluded.held,
    next_expiry_at = excluded.next_expiry_at, is_ready = true
"""
FILL_BUCKETS: Final = """
INSERT INTO limit_bucket (tenant_id, is_live, scope_id, tokens_micro, updated_at)
SELECT %(tenant_id)s::uuid, %(is_live)s, scope_id, capacity, %(as_of)s::timestamptz
FROM jsonb_to_recordset(%(buckets)s::jsonb) AS b(scope_id uuid, capacity bigint)
ORDER BY scope_id
ON CONFLICT DO NOTHING
"""
FORGET: Final = """
WITH gate AS MATERIALIZED (SELECT pg_advisory_xact_lock_shared(%(lock_key)s)),
held AS MATERIALIZED (
    SELECT l.scope_id, l.meter_id, l.period_start, l.period_end FROM gate, limit_counter AS l
    WHERE l.tenant_id = %(tenant_id)s::uuid AND l.is_live = %(is_live)s AND l.period_end > %(earliest_end)s
    ORDER BY 1, 2, 3, 4 FOR UPDATE OF l
)
UPDATE limit_counter AS l SET is_ready = false FROM held AS h
WHERE l.tenant_id = %(tenant_id)s::uuid AND l.is_live = %(is_live)s AND l.scope_id = h.scope_id
    AND l.meter_id = h.meter_id AND l.period_start = h.period_start AND l.period_end = h.period_end
"""
STORED: Final = """
SELECT scope_id, meter_id, period_start, period_end, subject, used FROM limit_counter
WHERE tenant_id = %(tenant_id)s AND is_live = %(is_live)s AND is_ready AND period_end > %(earliest_end)s
    AND scope_id <> %(subjects_scope)s
"""
# The marker's row is ready while no subject's row is missing or wrong, whether or not that one is ready.
USED_BY_SUBJECTS: Final = """
SELECT l.scope_id, l.used FROM limit_counter AS m
LEFT JOIN limit_counter AS l ON l.tenant_id = m.tenant_id AND l.is_live = m.is_live AND l.meter_id = m.meter_id
    AND l.period_start = m.period_start AND l.period_end = m.period_end AND l.scope_id = ANY(%(scopes)s::uuid[])
WHERE m.tenant_id = %(tenant_id)s AND m.is_live = %(is_live)s AND m.scope_id = %(scope_id)s AND m.is_ready
    AND m.meter_id = %(meter_id)s AND m.period_start = %(period_start)s AND m.period_end = %(period_end)s
"""
DELETE_SUBJECTS: Final = """
DELETE FROM limit_counter WHERE tenant_id = %(tenant_id)s AND is_live = %(is_live)s AND subject IS NOT NULL
    AND meter_id = %(meter_id)s AND period_start = %(period_start)s AND period_end = %(period_end)s
RETURNING 1
"""
DELETE_ENDED: Final = "DELETE FROM limit_counter WHERE period_end < %(ended_before)s RETURNING 1"


class PostgresLimits:
    """The counters and buckets of all tenants in the database of the ledger itself."""

    is_transactional = True

    def peek(self, claim: Claim) -> LimitLevels | None:
        """Return whether the claim would pass, without locking or taking. None if a counter or a bucket is unknown."""
        return _execute(PEEK, claim)

    def take(self, claim: Claim) -> LimitLevels | None:
        """Take the whole claim or nothing. Returns None if a counter or a bucket is unknown."""
        return _execute(TAKE, claim)

    def add(self, ledger: Ledger, amounts: Mapping[CounterKey, Decimal]) -> None:
        """Skip: ingest has counted in its own statement."""

    def store(
        self,
        ledger: Ledger,
        used: Mapping[CounterKey, Decimal],
        as_of: datetime,  # noqa: ARG002 - Redis needs it
        held: Mapping[CounterKey, Held] = NOBODY_HOLDS,
    ) -> None:
        """Set counters to the values of the ledger. Exact while the ledger is locked."""
        rows = [
            {
                "scope_id": key.scope_id,
                "meter_id": key.meter_id,
                "period_start": key.period_start,
                "period_end": key.period_end,
                "used": quantity,
                "held": held.get(key, NOTHING_HELD).amount,
                "next_expiry_at": held.get(key, NOTHING_HELD).next_expiry_at,
                "subject": key.subject,
            }
            for key, quantity in used.items()
        ]
        fetch_all(STORE_COUNTERS, {**_half(ledger), "counters": as_json(rows)})

    def used_by_subjects(
        self, ledger: Ledger, marker: CounterKey, keys: Sequence[CounterKey]
    ) -> dict[CounterKey, Decimal] | None:
        """Return what is used of these counters. None if the store does not know those of all subjects."""
        scopes = {"scopes": [key.scope_id for key in keys]}
        rows = fetch_all(USED_BY_SUBJECTS, {**_half(ledger), **_of_key(marker), **scopes})
        if not rows:
            return None
        used = dict(rows)
        return {key: used.get(key.scope_id, _ZERO) for key in keys}

    def store_subjects(
        self,
        ledger: Ledger,
        marker: CounterKey,
        used: Mapping[CounterKey, Decimal],
        as_of: datetime,
        held: Mapping[CounterKey, Held],
    ) -> None:
        """Replace the counters of all subjects. Exact while the ledger is locked."""
        fetch_all(DELETE_SUBJECTS, {**_half(ledger), **_of_key(marker)})
        self.store(ledger, {marker: _ZERO, **used}, as_of, held)

    def fill_buckets(self, ledger: Ledger, throttles: Sequence[Throttle], as_of: datetime) -> None:
        """Create missing buckets, full."""
        rows = [{"scope_id": throttle.scope_id, "capacity": throttle.burst * MICRO} for throttle in throttles]
        fetch_all(FILL_BUCKETS, {**_half(ledger), "buckets": as_json(rows), "as_of": as_of})

    def forget(self, ledger: Ledger, as_of: datetime) -> None:
        """Mark the current counters as unknown, so that they are summed up again."""
        parameters = {**_half(ledger), "lock_key": ledger.lock_key, "earliest_end": _earliest_end(ledger, as_of)}
        fetch_all(FORGET, parameters)

    def stored(self, ledger: Ledger, as_of: datetime) -> dict[CounterKey, Decimal]:
        """Return every current counter that is known."""
        bounds = {"earliest_end": _earliest_end(ledger, as_of), "subjects_scope": SUBJECTS_SCOPE}
        rows = fetch_all(STORED, {**_half(ledger), **bounds})
        running = set(running_spans(ledger, as_of))
        counters = {CounterKey(*key): used for *key, used in rows}
        return {key: used for key, used in counters.items() if (key.period_start, key.period_end) in running}

    def delete_ended(self, ended_before: datetime) -> int:
        """Delete the counters of periods that ended before `ended_before`; return how many."""
        return len(fetch_all(DELETE_ENDED, {"ended_before": ended_before}))


def _of_key(key: CounterKey) -> dict[str, object]:
    return {
        "scope_id": key.scope_id,
        "meter_id": key.meter_id,
        "period_start": key.period_start,
        "period_end": key.period_end,
    }


def _half(ledger: Ledger) -> dict[str, object]:
    return {"tenant_id": ledger.tenant_id, "is_live": ledger.is_live}


def _earliest_end(ledger: Ledger, as_of: datetime) -> datetime:
    """Return the earliest end of a counter worth reading: older ones would be summed up without use."""
    return min(span.start for span in running_spans(ledger, as_of))


def _execute(statement: str, claim: Claim) -> LimitLevels | None:
    counters = [
        {
            "position": position,
            "scope_id": counter.key.scope_id,
            "meter_id": counter.key.meter_id,
            "period_start": counter.key.period_start,
            "period_end": counter.key.period_end,
            "amount": counter.amount,
            "held": counter.held,
            "quota": counter.quota.limit,
            "is_refusing": counter.is_refusing,
        }
        for position, counter in enumerate(claim.counters)
    ]
    buckets = [
        {"position": position, "scope_id": throttle.scope_id, "rate": throttle.rate, "capacity": throttle.burst * MICRO}
        for position, throttle in enumerate(claim.throttles)
    ]
    parameters: dict[str, Any] = {
        **_half(claim.ledger),
        "lock_key": claim.ledger.lock_key,
        "counters": as_json(counters),
        "buckets": as_json(buckets),
        "cost": claim.cost * MICRO,
        "as_of": claim.as_of,
        "held_until": claim.held_until,
    }
    is_known, is_allowed, used, tokens, updated = fetch_all(statement, parameters)[0]
    if not is_known:
        return None
    stored = zip(tokens or (), updated or (), strict=True)
    return LimitLevels(
        is_allowed=is_allowed,
        buckets=tuple(Bucket(left, microseconds_of(at)) for left, at in stored),
        used=tuple(used or ()),
    )
