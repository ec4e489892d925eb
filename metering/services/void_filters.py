"""Void all events that a filter finds, in bounded batches: each commits by itself, and the same call again goes on.

What is voided falls out of usage in the same statement as for a single void.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Final
from uuid import UUID

from django.conf import settings
from django.db import transaction

from accounts.domain.actor import Actor
from accounts.domain.job_report import JobReport
from accounts.services.audit import AuditTarget, record_audit
from accounts.services.jobs import run_job
from accounts.sql import fetch_all
from metering.domain.aggregations.registry import SUMMED
from metering.domain.ledger import Ledger
from metering.domain.meter_rules import MeterRule
from metering.domain.periods import Span, start_of_day
from metering.selectors.catalog import rules_in_rollups
from metering.selectors.formula_sql import with_formulas
from metering.selectors.retention import nothing_changes_before
from metering.selectors.statements import LOCAL_DAY, METERS, contributions_of, meters_parameter
from metering.services.ledger_lock import lock_ledger
from metering.services.limits.counting import forget_counters
from metering.services.rebuild import rebuild_day
from metering.services.rollups import add_to_rollups, counters_parameter

JOB_NAME: Final = "void_events"
EVENTS_PER_BATCH: Final = 1000
EVENTS_AT_ONCE: Final = 5000  # of one transaction, which holds its locks to the end anyway

_MATCHING: Final = """
    SELECT e.key, e.occurred_at, e.received_at, e.type, e.quantity, e.subject, e.api_key_id, e.properties
    FROM event AS e
    WHERE e.tenant_id = %(tenant_id)s::uuid AND e.is_live = %(is_live)s AND e.type = %(type)s
        AND e.occurred_at >= %(start)s::timestamptz AND e.occurred_at < %(end)s::timestamptz
        AND e.received_at <= %(as_of)s::timestamptz
        AND (%(subject)s::text IS NULL OR e.subject = %(subject)s)
        AND (%(api_key_id)s::uuid IS NULL OR e.api_key_id = %(api_key_id)s)
        AND (%(received_from)s::timestamptz IS NULL OR e.received_at >= %(received_from)s)
        AND (%(received_until)s::timestamptz IS NULL OR e.received_at < %(received_until)s)
"""
_NOT_VOIDED: Final = """
        AND NOT EXISTS (SELECT FROM event_void AS v WHERE v.tenant_id = e.tenant_id AND v.is_live = e.is_live
            AND v.key = e.key AND v.tenant_id = %(tenant_id)s::uuid AND v.is_live = %(is_live)s)
"""
COUNT: Final = f"""
WITH found AS MATERIALIZED ({_MATCHING} {_NOT_VOIDED}),
{METERS},
{contributions_of("found", SUMMED)}
SELECT (SELECT count(*) FROM found), (SELECT count(*) FROM found WHERE occurred_at < %(closed_until)s::timestamptz),
    (SELECT coalesce(jsonb_object_agg(meter_id::text, quantity::text), '{{}}'::jsonb)::text
        FROM (SELECT meter_id, sum(quantity) AS quantity FROM contribution
            WHERE occurred_at >= %(closed_until)s::timestamptz GROUP BY 1) AS by_meter)
"""
# PostgreSQL expects a row or two of each expression of the statement below, and would compare all rows with all.
JOIN_BY_HASH: Final = "SELECT set_config('enable_nestloop', 'off', true)"
# A batch follows the last position, so that no batch reads what earlier ones voided. What was voided before is found
# and not voided again, by the primary key: to look for it first would take a plan that depends on how much there is.
VOID_BATCH: Final = f"""
WITH gate AS MATERIALIZED (SELECT pg_advisory_xact_lock_shared(%(lock_key)s)),
found AS MATERIALIZED (
    SELECT m.* FROM gate, LATERAL ({_MATCHING}
        AND (e.occurred_at, e.key) > (%(after_at)s::timestamptz, %(after_key)s::bytea)
        ORDER BY e.occurred_at, e.key LIMIT %(limit)s) AS m
),
voided AS (
    INSERT INTO event_void (tenant_id, is_live, key, occurred_at, reason, voided_by, voided_at)
    SELECT %(tenant_id)s::uuid, %(is_live)s, key, occurred_at, %(reason)s, %(voided_by)s, %(as_of)s::timestamptz
    FROM found ORDER BY key
    ON CONFLICT DO NOTHING
    RETURNING key
),
cancelled AS MATERIALIZED (SELECT found.* FROM found JOIN voided USING (key)),
{METERS},
{contributions_of("cancelled", SUMMED)},
{add_to_rollups("-")}
SELECT (SELECT count(*) FROM cancelled), (SELECT coalesce(sum(quantity), 0) FROM cancelled), last.occurred_at,
    last.key, (SELECT array_agg(DISTINCT ({LOCAL_DAY})::text) FROM cancelled)
FROM (SELECT occurred_at, key FROM found ORDER BY occurred_at DESC, key DESC LIMIT 1) AS last
"""


@dataclass(frozen=True, slots=True)
class VoidFilter:
    """The events of a type whose time is within a half-open span; a subject, key or time of receipt may narrow it."""

    event_type: str
    span: Span
    subject: str | None = None
    api_key_id: UUID | None = None
    received: Span | None = None

    def summary(self) -> dict[str, object]:
        """Return the filter for the audit log and the job's row."""
        return {
            "type": self.event_type,
            "start": self.span.start.isoformat(),
            "end": self.span.end.isoformat(),
            "subject": self.subject,
            "api_key": None if self.api_key_id is None else str(self.api_key_id),
        }


@dataclass(frozen=True, slots=True)
class Found:
    """What a filter finds in one ledger: events to void, events that are closed, and what usage would lose by meter."""

    events: int
    closed: int
    quantities: dict[str, Decimal]


@dataclass(frozen=True, slots=True)
class Voided:
    """Events that were voided, and the sum of their quantities."""

    events: int = 0
    quantity: Decimal = Decimal(0)

    def __add__(self, other: "Voided") -> "Voided":
        return Voided(self.events + other.events, self.quantity + other.quantity)


@dataclass(frozen=True, slots=True)
class _Act:
    """Who voids, why, and when."""

    reason: str
    voided_by: str
    as_of: datetime


_Position = tuple[datetime, bytes]


@dataclass(frozen=True, slots=True)
class _VoidedBatch:
    """What one statement voided, the local days of it, and the last position that it saw; None at the end."""

    voided: Voided
    days: frozenset[str]
    position: _Position | None


def count_matching(*, ledger: Ledger, wanted: VoidFilter, as_of: datetime) -> Found:
    """Return what would be voided now. Changes nothing."""
    additive = [rule for rule in rules_in_rollups() if rule.aggregation.is_additive]
    rules = {str(rule.id): rule.code for rule in additive}
    parameters = _parameters(ledger, wanted, as_of) | {
        "meters": meters_parameter(additive),
        "closed_until": nothing_changes_before() or wanted.span.start,
    }
    [(events, closed, quantities)] = fetch_all(with_formulas(COUNT, additive), parameters)
    return Found(
        events=events - closed,
        closed=closed,
        quantities={
            rules[meter_id]: Decimal(quantity) for meter_id, quantity in sorted(json.loads(quantities).items())
        },
    )


def void_matching(
    *,
    ledgers: Iterable[Ledger],
    wanted: VoidFilter,
    reason: str,
    actor: Actor,
    as_of: datetime,
    on_progress: Callable[[int], None],
) -> int:
    """Void what the filter finds in each ledger, and return how many events.

    Each ledger has an audit entry, and all together a run of a job. Events of closed months stay. Raises Django's
    database errors, after which all batches but the last are voided: calling again voids the rest.
    """
    total = 0

    def work() -> JobReport:
        nonlocal total
        for ledger in ledgers:
            found = count_matching(ledger=ledger, wanted=wanted, as_of=as_of)
            if not found.events:
                continue
            # Before the first batch: if the call is cut off, the log says who began it.
            _record(ledger, wanted, found, reason=reason, actor=actor, as_of=as_of)
            for voided in _batches(ledger, wanted, _Act(reason, actor.label, as_of)):
                total += voided.events
                on_progress(total)
        return JobReport(summary={**wanted.summary(), "reason": reason, "voided": total})

    run_job(name=JOB_NAME, started_by=actor.label, as_of=as_of, work=work)
    return total


@transaction.atomic
def void_at_once(
    *, ledger: Ledger, wanted: Sequence[VoidFilter], reason: str, voided_by: str, as_of: datetime, events_max: int
) -> dict[str, Voided]:
    """Void at most `events_max` of what the filters find, in one transaction. Return what was voided by event type.

    Events of closed months stay. The caller keeps the record of it.
    """
    act, done = _Act(reason, voided_by, as_of), {one.event_type: Voided() for one in wanted}
    if any(_computed_again(one) for one in wanted):
        lock_ledger(ledger)  # before the first statement, which takes the same lock shared
    for one in wanted:
        position: _Position | None = _first_position(one)
        days: set[str] = set()
        while position is not None:
            left = events_max - sum(voided.events for voided in done.values())
            if not left:
                break
            batch = _void_next(ledger, one, act, position, limit=min(left, EVENTS_AT_ONCE))
            done[one.event_type] += batch.voided
            position = batch.position
            days |= batch.days
        _compute_again(ledger, one, days)
    return {event_type: voided for event_type, voided in done.items() if voided.events}


def _batches(ledger: Ledger, wanted: VoidFilter, act: _Act) -> Iterator[Voided]:
    position: _Position | None = _first_position(wanted)
    while position is not None:
        with transaction.atomic():
            if _computed_again(wanted):
                lock_ledger(ledger)
            batch = _void_next(ledger, wanted, act, position, limit=EVENTS_PER_BATCH)
            _compute_again(ledger, wanted, batch.days)
        position = batch.position
        yield batch.voided


def _first_position(wanted: VoidFilter) -> _Position:
    closed_until = nothing_changes_before()
    return (wanted.span.start if closed_until is None else max(wanted.span.start, closed_until), b"")


def _computed_again(wanted: VoidFilter) -> list[MeterRule]:
    """Return the meters of these events whose usage cannot be subtracted from."""
    fed = (rule for rule in rules_in_rollups() if rule.event_type == wanted.event_type)
    return [rule for rule in fed if not rule.aggregation.is_summed]


def _compute_again(ledger: Ledger, wanted: VoidFilter, days: Iterable[str]) -> None:
    if rules := _computed_again(wanted):
        for day in sorted(days):
            rebuild_day(ledger=ledger, rules=rules, instant=start_of_day(date.fromisoformat(day), ledger.time_zone))


def _void_next(ledger: Ledger, wanted: VoidFilter, act: _Act, position: _Position, *, limit: int) -> _VoidedBatch:
    """Void the next events after a position."""
    forget_counters(ledger=ledger, as_of=act.as_of)
    summed = [rule for rule in rules_in_rollups() if rule.aggregation.is_summed]
    parameters = _parameters(ledger, wanted, act.as_of) | {
        "start": max(wanted.span.start, position[0]),
        "lock_key": ledger.lock_key,
        "time_zone": ledger.time_zone,
        "slots": settings.LEDGER_SLOTS,
        "limit": limit,
        "after_at": position[0],
        "after_key": position[1],
        "reason": act.reason,
        "voided_by": act.voided_by,
        "meters": meters_parameter(summed),
        "counters": counters_parameter(()),
    }
    fetch_all(JOIN_BY_HASH, {})
    rows = fetch_all(with_formulas(VOID_BATCH, summed), parameters)
    if not rows:
        return _VoidedBatch(Voided(), frozenset(), None)
    [(events, quantity, at, key, days)] = rows
    return _VoidedBatch(Voided(events, quantity), frozenset(days or ()), (at, bytes(key)))


def _parameters(ledger: Ledger, wanted: VoidFilter, as_of: datetime) -> dict[str, object]:
    return {
        "tenant_id": ledger.tenant_id,
        "is_live": ledger.is_live,
        "type": wanted.event_type,
        "start": wanted.span.start,
        "end": wanted.span.end,
        "subject": wanted.subject,
        "api_key_id": wanted.api_key_id,
        "received_from": None if wanted.received is None else wanted.received.start,
        "received_until": None if wanted.received is None else wanted.received.end,
        "as_of": as_of,
    }


def _record(ledger: Ledger, wanted: VoidFilter, found: Found, *, reason: str, actor: Actor, as_of: datetime) -> None:
    record_audit(
        actor=actor,
        action="events.voided",
        tenant_id=ledger.tenant_id,
        target=AuditTarget("events", "live" if ledger.is_live else "test", wanted.event_type),
        as_of=as_of,
        after={
            **wanted.summary(),
            "reason": reason,
            "events": found.events,
            "usage": {meter: str(quantity) for meter, quantity in found.quantities.items()},
        },
    )
