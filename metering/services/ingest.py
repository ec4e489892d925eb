"""Ingest: store events in the ledger, each exactly once, and update usage and limits, by one SQL statement.

The claim of an event's identity, the event, the rollups and the counters are written together or not at all. When an
event is sent again, in any order and from any number of processes, its claim is taken: the same content is a duplicate,
other content a conflict, and neither changes anything.

Most calls bring only new events. So `metering.services.new_events` is tried first, which is cheaper and fails if one is
known; then `INGEST` stores the others and tells which were known.
"""

from collections.abc import Callable, Iterable, Sequence
from contextlib import nullcontext
from datetime import date, datetime, timedelta
from typing import Final, TypeVar
from uuid import UUID

from django.conf import settings
from django.db import IntegrityError, OperationalError, connection, transaction
from msgspec import Raw
from psycopg.errors import CheckViolation, DeadlockDetected, UniqueViolation

from accounts.errors import StoreUnavailableError
from accounts.sql import as_json, fetch_all
from metering.domain.aggregations.description import Aggregation
from metering.domain.aggregations.registry import MERGEABLE, SUMMED
from metering.domain.events import ParsedEvent
from metering.domain.ledger import CounterKey, IngestResult, Ledger
from metering.domain.retention import ALWAYS_KEPT
from metering.selectors.catalog import rules_in_rollups
from metering.selectors.formula_sql import with_formulas
from metering.selectors.retention import nothing_changes_before
from metering.selectors.statements import METERS, contributions_of, is_summed, meters_parameter
from metering.services.new_events import NewEvents, store_new_events
from metering.services.partitions import ensure_partitions_of, forget_seen_partitions
from metering.services.rollups import add_to_rollups, counters_parameter

DEADLOCK_TRIES_MAX: Final = 5
# Within a transaction the first try needs a savepoint, which costs two round trips.
SAVEPOINT_EVENTS_LEAST: Final = 20
# A ledger to which a known event was sent gets no first try for so long: more of them will follow.
RESENDING_LASTS: Final = timedelta(seconds=2)
RESENT_MAX: Final = 10_000
_resent_until: Final[dict[tuple[UUID, bool], datetime]] = {}

Result = TypeVar("Result")


def _ingest(kinds: Sequence[Aggregation]) -> str:
    """Return the statement for meters of these kinds.

    The insert of events returns nothing, since row-level security lets ingest read none. PostgreSQL runs expressions
    that nothing refers to last part first, so events are stored first. Returns only the events that were not accepted;
    `NULL` means that the claim was taken by a transaction younger than our snapshot.
    """
    return f"""
WITH gate AS MATERIALIZED (SELECT pg_advisory_xact_lock_shared(%(lock_key)s)),
input AS MATERIALIZED (
    SELECT e.n, decode(e.key, 'hex') AS key, decode(e.hash, 'hex') AS content_hash, e.occurred_at, e.id, e.source,
        e.type,
        e.quantity, e.subject, e.properties
    FROM gate, jsonb_to_recordset(%(events)s::jsonb) AS e(
        n int, key text, hash text, occurred_at timestamptz, id text, source text, type text, quantity numeric,
        subject text,
        properties jsonb)
),
claimed AS (
    INSERT INTO event_identity (tenant_id, is_live, key, occurred_at, content_hash)
    SELECT %(tenant_id)s::uuid, %(is_live)s, key, occurred_at, content_hash FROM input ORDER BY key
    ON CONFLICT DO NOTHING
    RETURNING key
),
fresh AS MATERIALIZED (
    SELECT input.*, %(api_key_id)s::uuid AS api_key_id, %(received_at)s::timestamptz AS received_at
    FROM input JOIN claimed USING (key)
),
{METERS},
{contributions_of("fresh", kinds)},
{add_to_rollups(kinds=kinds)},
stored AS (
    INSERT INTO event (tenant_id, is_live, occurred_at, key, id, source, type, quantity, subject, api_key_id,
        properties, received_at)
    SELECT %(tenant_id)s::uuid, %(is_live)s, occurred_at, key, id, source, type, quantity, subject, api_key_id,
        properties, received_at
    FROM fresh
)
SELECT i.n, known.content_hash = i.content_hash
FROM input AS i
LEFT JOIN event_identity AS known ON known.tenant_id = %(tenant_id)s::uuid AND known.is_live = %(is_live)s
    AND known.key = i.key
WHERE NOT EXISTS (SELECT FROM claimed AS c WHERE c.key = i.key)
"""


INGEST = _ingest(SUMMED)
INGEST_MERGING = _ingest(MERGEABLE)

KNOWN_HASHES = """
SELECT key, content_hash FROM event_identity
WHERE tenant_id = %(tenant_id)s AND is_live = %(is_live)s AND key = ANY(%(keys)s)
"""


def ingest_events(
    *,
    ledger: Ledger,
    events: Sequence[ParsedEvent],
    api_key_id: UUID | None,
    as_of: datetime,
    counters: Sequence[CounterKey] = (),
) -> IngestResult:
    """Store new events and return the outcome of each event.

    `counters` are the limits that must count these events; a caller that has already counted them passes none.
    Outside of a transaction the events are on disk when this returns. Raises Django's database errors, after which
    nothing of this call is stored; calling again with the same events is always safe.
    """
    events, too_late = _without_too_late(ledger, events, as_of)
    first_by_key, others = _first_of_each(events)
    if not first_by_key:
        return IngestResult(accepted=(), duplicates=(), conflicts=(), too_late=too_late)
    new = NewEvents(ledger, tuple(first_by_key.values()), counters)
    refused: dict[int, bool | None] = {}
    if not _store_if_new([new], api_key_id=api_key_id, as_of=as_of):
        refused = _store_unknown(new, api_key_id=api_key_id, as_of=as_of)
    accepted = tuple(event.index for event in new.events if event.index not in refused)
    unsure = [event for event in first_by_key.values() if refused.get(event.index, False) is None]
    for event in others:
        first = first_by_key[event.key]
        if first.index in refused:
            unsure.append(event)
        else:
            refused[event.index] = first.content_hash == event.content_hash
    if unsure:
        refused |= _compare_with_known(ledger, unsure)
    return IngestResult(
        accepted=accepted,
        duplicates=tuple(sorted(index for index, is_same in refused.items() if is_same)),
        conflicts=tuple(sorted(index for index, is_same in refused.items() if not is_same)),
        too_late=too_late,
    )


def ingest_if_new(parts: Sequence[NewEvents], *, api_key_id: UUID | None, as_of: datetime) -> bool:
    """Store the events of many ledgers at once, if they are certainly new. Returns False if nothing was stored."""
    before = as_of - ALWAYS_KEPT
    if any(event.occurred_at < before for part in parts for event in part.events):
        return False
    if any(len({event.key for event in part.events}) < len(part.events) for part in parts):
        return False
    return _store_if_new(parts, api_key_id=api_key_id, as_of=as_of)


def _without_too_late(
    ledger: Ledger, events: Sequence[ParsedEvent], as_of: datetime
) -> tuple[Sequence[ParsedEvent], tuple[int, ...]]:
    """Remove the new events of closed months. An event whose id was stored there before is still known."""
    before = as_of - ALWAYS_KEPT
    old = [event for event in events if event.occurred_at < before]
    closed_until = nothing_changes_before() if old else None
    old = [event for event in old if closed_until is not None and event.occurred_at < closed_until]
    if not old:
        return events, ()
    known = _known_hashes(ledger, old)
    too_late = tuple(event.index for event in old if event.key not in known)
    return [event for event in events if event.index not in too_late], too_late


def _store_if_new(parts: Sequence[NewEvents], *, api_key_id: UUID | None, as_of: datetime) -> bool:
    """Store all of the events. Return False if one is known, or may well be; then nothing is stored."""
    if any(_resent_until.get(_half(part.ledger), as_of) > as_of for part in parts):
        return False
    if connection.in_atomic_block and sum(len(part.events) for part in parts) < SAVEPOINT_EVENTS_LEAST:
        return False
    months = _months_of(event for part in parts for event in part.events)
    try:
        with transaction.atomic() if connection.in_atomic_block else nullcontext():
            _with_partitions(months, lambda: store_new_events(parts, api_key_id=api_key_id, as_of=as_of))
    except IntegrityError as error:
        if not isinstance(error.__cause__, UniqueViolation):
            raise
        if len(_resent_until) >= RESENT_MAX:
            _resent_until.clear()
        _resent_until.update({_half(part.ledger): as_of + RESENDING_LASTS for part in parts})
        return False
    return True


def _store_unknown(new: NewEvents, *, api_key_id: UUID | None, as_of: datetime) -> dict[int, bool | None]:
    """Store the events that are not known. Return the others, and whether each has its claim's content, if known."""
    ledger, types = new.ledger, {event.type for event in new.events}
    rules = [rule for rule in rules_in_rollups() if rule.event_type in types]
    parameters = {
        "lock_key": ledger.lock_key,
        "tenant_id": ledger.tenant_id,
        "is_live": ledger.is_live,
        "time_zone": ledger.time_zone,
        "slots": settings.LEDGER_SLOTS,
        "api_key_id": api_key_id,
        "received_at": as_of,
        "events": _events_parameter(new.events),
        "meters": meters_parameter(rules),
        "counters": counters_parameter(new.counters),
    }
    statement = INGEST if is_summed(rules) else INGEST_MERGING
    statement = with_formulas(statement, rules)
    rows = _with_partitions(_months_of(new.events), lambda: fetch_all(statement, parameters))
    return dict(rows)


def _with_partitions(months: set[date], work: Callable[[], Result]) -> Result:
    """Run a statement, also if a partition that this process cached is gone: rolled back, or dropped since."""
    ensure_partitions_of(days=months)
    try:
        return _despite_deadlocks(work)
    except IntegrityError as error:
        cause = error.__cause__
        if not isinstance(cause, CheckViolation) or cause.diag.constraint_name is not None:
            raise
        forget_seen_partitions()
        if connection.in_atomic_block:
            raise StoreUnavailableError(
                "A month of the ledger was being created. Nothing was stored. Try again."
            ) from error
    ensure_partitions_of(days=months)
    return _despite_deadlocks(work)


def _despite_deadlocks(work: Callable[[], Result]) -> Result:
    """Run a statement.

    PostgreSQL cancels one of two statements that deadlock; it is sent again.
    """
    for _ in range(DEADLOCK_TRIES_MAX - 1):
        try:
            return work()
        except OperationalError as error:
            if connection.in_atomic_block or not isinstance(error.__cause__, DeadlockDetected):
                raise
    return work()


def _half(ledger: Ledger) -> tuple[UUID, bool]:
    return ledger.tenant_id, ledger.is_live


def _first_of_each(events: Iterable[ParsedEvent]) -> tuple[dict[bytes, ParsedEvent], list[ParsedEvent]]:
    """Return the first event of each identity within the call, and the later events with the same identity."""
    first_by_key: dict[bytes, ParsedEvent] = {}
    others = [event for event in events if first_by_key.setdefault(event.key, event) is not event]
    return first_by_key, others


def _months_of(events: Iterable[ParsedEvent]) -> set[date]:
    return {date(at.year, at.month, 1) for at in {event.occurred_at for event in events}}


def _events_parameter(events: Iterable[ParsedEvent]) -> str:
    """Return events as the JSON that `input` reads; properties are the bytes that were hashed."""
    return as_json(
        [
            {
                "n": event.index,
                "key": event.key.hex(),
                "hash": event.content_hash.hex(),
                "occurred_at": event.occurred_at,
                "id": event.id,
                "source": event.source,
                "type": event.type,
                "quantity": event.quantity,
                "subject": event.subject,
                "properties": Raw(event.properties_json),
            }
            for event in events
        ]
    )


def _compare_with_known(ledger: Ledger, events: Sequence[ParsedEvent]) -> dict[int, bool]:
    """Return whether each event has the content of its identity's claim, by a snapshot that sees the claim."""
    known = _known_hashes(ledger, events)
    return {event.index: known[event.key] == event.content_hash for event in events}


def _known_hashes(ledger: Ledger, events: Sequence[ParsedEvent]) -> dict[bytes, bytes]:
    """Return the content hashes of these events' identities, of those that are claimed."""
    rows = fetch_all(
        KNOWN_HASHES,
        {"tenant_id": ledger.tenant_id, "is_live": ledger.is_live, "keys": [event.key for event in events]},
    )
    return {bytes(key): bytes(content_hash) for key, content_hash in rows}
