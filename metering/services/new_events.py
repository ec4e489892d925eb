"""Store events that are all new, of one or many ledgers, by one statement that fails if one of them is known.

The usage that they add comes summed from `metering.domain.usage_sums`. A plain INSERT of identities costs a third less
than one that looks for conflicts, so this is tried first; `metering.services.ingest` has the way that tells which event
was known. Both write the same rows: a property test compares them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from itertools import repeat
from typing import Final
from uuid import UUID

import msgspec
from django.conf import settings

from accounts.database.binary import (
    UUID_OID,
    Parameter,
    of_blobs,
    of_decimals,
    of_instants,
    of_ints,
    of_jsons,
    of_texts,
    of_uuids,
)
from accounts.sql import fetch_all, sendable
from metering.domain.aggregations.description import Aggregation
from metering.domain.aggregations.registry import MERGEABLE, SUMMED
from metering.domain.contribution import rules_counting_at
from metering.domain.events import ParsedEvent
from metering.domain.ledger import NO_KEY, CounterKey, Ledger
from metering.domain.usage_sums import UsageSum, amounts_of_counters, usage_sums
from metering.selectors.aggregation_sql import accumulated_by_meter, collected_by_meter
from metering.selectors.catalog import rules_in_rollups
from metering.selectors.statements import METERS, aggregation_of, is_summed, meters_parameter


def _store_new(kinds: Sequence[Aggregation]) -> str:
    """Return the statement for meters of these kinds.

    PostgreSQL runs expressions that nothing refers to last part first: identities in the order of their keys, events,
    counters, hours, days, the order of every statement that counts.
    """
    named = aggregation_of("u.meter_id")
    accumulated = accumulated_by_meter(named, held="u.quantity", added="excluded.quantity", kinds=kinds)
    collected_part = collected_by_meter(aggregation_of("part.meter_id"), quantity="part.quantity", kinds=kinds)
    return f"""
WITH gate AS MATERIALIZED (
    SELECT count(pg_advisory_xact_lock_shared(lock_key)) AS ledgers FROM unnest(%(lock_keys)s::bigint[]) AS l(lock_key)
),
input AS MATERIALIZED (
    SELECT e.*
    FROM gate, unnest(%(tenants)s::uuid[], %(keys)s::bytea[], %(hashes)s::bytea[], %(instants)s::timestamptz[],
        %(ids)s::text[], %(sources)s::text[], %(types)s::text[], %(quantities)s::numeric[], %(subjects)s::text[],
        %(properties)s::jsonb[])
        AS e(tenant_id, key, content_hash, occurred_at, id, source, type, quantity, subject, properties)
),
{METERS},
part AS MATERIALIZED (
    SELECT * FROM unnest(%(usage_tenants)s::uuid[], %(usage_time_zones)s::text[], %(usage_meters)s::bigint[],
        %(usage_quarters)s::timestamptz[], %(usage_dimensions)s::jsonb[], %(usage_quantities)s::numeric[],
        %(usage_events)s::bigint[]) AS p(tenant_id, time_zone, meter_id, quarter_at, dimensions, quantity, events)
),
days AS (
    INSERT INTO usage_day AS u (tenant_id, is_live, meter_id, day, api_key_id, dimension_key, slot, dimensions,
        quantity, events)
    SELECT tenant_id, %(is_live)s, meter_id, day, %(usage_key_id)s::uuid,
        substring(sha256(convert_to(dimensions::text, 'UTF8')) FROM 1 FOR 16) AS dimension_key,
        pg_backend_pid() %% %(slots)s, dimensions, quantity, events
    FROM (
        SELECT tenant_id, meter_id, (quarter_at AT TIME ZONE time_zone)::date AS day, dimensions,
            {collected_part} AS quantity, sum(events)::bigint AS events
        FROM part GROUP BY 1, 2, 3, 4
    ) AS bucket ORDER BY tenant_id, meter_id, day, dimension_key
    ON CONFLICT ON CONSTRAINT usage_day_once DO UPDATE SET quantity = {accumulated}, events = u.events + excluded.events
),
hours AS (
    INSERT INTO usage_hour AS u (tenant_id, is_live, meter_id, hour, slot, quantity, events)
    SELECT tenant_id, %(is_live)s, meter_id, date_trunc('hour', quarter_at, 'UTC') AS hour,
        pg_backend_pid() %% %(slots)s, {collected_part}, sum(events)::bigint
    FROM part GROUP BY tenant_id, meter_id, hour ORDER BY tenant_id, meter_id, hour
    ON CONFLICT ON CONSTRAINT usage_hour_once
        DO UPDATE SET quantity = {accumulated}, events = u.events + excluded.events
),
counters AS (
    INSERT INTO limit_counter AS l (tenant_id, is_live, scope_id, meter_id, period_start, period_end, used, is_ready,
        subject)
    SELECT tenant_id, %(is_live)s, scope_id, meter_id, period_start, period_end, used, false, subject
    FROM unnest(%(counter_tenants)s::uuid[], %(counter_scopes)s::uuid[], %(counter_meters)s::bigint[],
        %(counter_starts)s::timestamptz[], %(counter_ends)s::timestamptz[], %(counter_amounts)s::numeric[],
        %(counter_subjects)s::text[]) AS c(tenant_id, scope_id, meter_id, period_start, period_end, used, subject)
    ORDER BY 1, 3, 4, 5, 6
    ON CONFLICT ON CONSTRAINT limit_counter_once DO UPDATE SET used = l.used + excluded.used
),
stored AS (
    INSERT INTO event (tenant_id, is_live, occurred_at, key, id, source, type, quantity, subject, api_key_id,
        properties, received_at)
    SELECT tenant_id, %(is_live)s, occurred_at, key, id, source, type, quantity, subject, %(api_key_id)s::uuid,
        properties, %(received_at)s::timestamptz
    FROM input
),
claimed AS (
    INSERT INTO event_identity (tenant_id, is_live, key, occurred_at, content_hash)
    SELECT tenant_id, %(is_live)s, key, occurred_at, content_hash FROM input ORDER BY tenant_id, key
)
SELECT ledgers FROM gate
"""


STORE_NEW: Final = _store_new(SUMMED)
STORE_NEW_MERGING: Final = _store_new(MERGEABLE)

_JSON: Final = msgspec.json.Encoder()


@dataclass(frozen=True, slots=True)
class NewEvents:
    """Events of one ledger with distinct identities, and the counters that count them."""

    ledger: Ledger
    events: Sequence[ParsedEvent]
    counters: Sequence[CounterKey] = ()


def store_new_events(parts: Sequence[NewEvents], *, api_key_id: UUID | None, as_of: datetime) -> None:
    """Store all of them and what they add, or nothing.

    All ledgers are live ones, or all are test ones. Raises `IntegrityError` for a unique violation if an event is
    known, besides Django's other errors.
    """
    [is_live] = {part.ledger.is_live for part in parts}
    in_rollups = rules_in_rollups()
    rules = rules_counting_at(in_rollups, as_of)
    sums = [(part, usage_sums(part.events, rules)) for part in parts]
    parameters: dict[str, object] = {
        "is_live": is_live,
        "api_key_id": api_key_id,
        "usage_key_id": api_key_id or NO_KEY,
        "received_at": as_of,
        "slots": settings.LEDGER_SLOTS,
        "meters": meters_parameter(in_rollups),
    }
    arrays = {
        "lock_keys": of_ints(sorted(part.ledger.lock_key for part in parts)),
        "tenants": of_blobs(
            [tenant for part in parts for tenant in repeat(part.ledger.tenant_id.bytes, len(part.events))], UUID_OID
        ),
        **_columns_of_events([event for part in parts for event in part.events]),
        **_columns_of_usage([(part.ledger, one) for part, some in sums for one in some]),
        **_columns_of_counters(
            [
                (part.ledger.tenant_id, key, amount)
                for part, some in sums
                for key, amount in amounts_of_counters(part.events, rules, some, part.counters).items()
            ]
        ),
    }
    fed = {one.meter_id for _, some in sums for one in some}
    statement = STORE_NEW if is_summed(rule for rule in in_rollups if rule.id in fed) else STORE_NEW_MERGING
    fetch_all(statement, parameters | {name: sendable(array) for name, array in arrays.items()})


def _columns_of_events(events: Sequence[ParsedEvent]) -> dict[str, Parameter]:
    return {
        "keys": of_blobs([event.key for event in events]),
        "hashes": of_blobs([event.content_hash for event in events]),
        "instants": of_instants([event.occurred_at for event in events]),
        "ids": of_texts([event.id for event in events]),
        "sources": of_texts([event.source for event in events]),
        "types": of_texts([event.type for event in events]),
        "quantities": of_decimals([event.quantity for event in events]),
        "subjects": of_texts([event.subject for event in events]),
        "properties": of_jsons([event.properties_json for event in events]),
    }


def _columns_of_usage(rows: Sequence[tuple[Ledger, UsageSum]]) -> dict[str, Parameter]:
    return {
        "usage_tenants": of_uuids([ledger.tenant_id for ledger, _ in rows]),
        "usage_time_zones": of_texts([ledger.time_zone for ledger, _ in rows]),
        "usage_meters": of_ints([one.meter_id for _, one in rows]),
        "usage_quarters": of_instants([one.quarter_at for _, one in rows]),
        "usage_dimensions": of_jsons([_JSON.encode(one.dimensions) for _, one in rows]),
        "usage_quantities": of_decimals([one.quantity for _, one in rows]),
        "usage_events": of_ints([one.events for _, one in rows]),
    }


def _columns_of_counters(rows: Sequence[tuple[UUID, CounterKey, Decimal]]) -> dict[str, Parameter]:
    return {
        "counter_tenants": of_uuids([tenant for tenant, _, _ in rows]),
        "counter_scopes": of_uuids([key.scope_id for _, key, _ in rows]),
        "counter_meters": of_ints([key.meter_id for _, key, _ in rows]),
        "counter_starts": of_instants([key.period_start for _, key, _ in rows]),
        "counter_ends": of_instants([key.period_end for _, key, _ in rows]),
        "counter_amounts": of_decimals([amount for _, _, amount in rows]),
        "counter_subjects": of_texts([key.subject for _, key, _ in rows]),
    }
