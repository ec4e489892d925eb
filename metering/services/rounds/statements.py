"""The statements of a round. Each parameter is an array; `ledger` is a position in the arrays of ledgers.

Locks are taken in the order of `metering.services.rollups`: ledgers (shared, and only if no one waits for them),
counters, buckets, identities, counters that only count, hours, days. PostgreSQL runs the parts of `STORE` from the last
to the first.
"""

from typing import Final

_COUNTERS_ASKED: Final = """unnest({scope_ledgers}::bigint[], {scopes}::uuid[], {meters}::bigint[],
        {starts}::timestamptz[], {ends}::timestamptz[]) WITH ORDINALITY
        AS c(ledger, scope_id, meter_id, period_start, period_end, n)
    JOIN ledger AS g ON g.n = c.ledger
    JOIN limit_counter AS l ON l.tenant_id = g.tenant_id AND l.is_live = g.is_live AND l.scope_id = c.scope_id
        AND l.meter_id = c.meter_id AND l.period_start = c.period_start AND l.period_end = c.period_end
        AND l.is_ready AND (l.next_expiry_at IS NULL OR l.next_expiry_at > {as_of}::timestamptz)"""
_BUCKETS_ASKED: Final = """unnest({bucket_ledgers}::bigint[], {bucket_scopes}::uuid[]) WITH ORDINALITY
        AS b(ledger, scope_id, n)
    JOIN ledger AS g ON g.n = b.ledger
    JOIN limit_bucket AS l ON l.tenant_id = g.tenant_id AND l.is_live = g.is_live AND l.scope_id = b.scope_id"""
_LEVELS: Final = """
    'counters', (SELECT coalesce(json_agg(json_build_array(n, used::text)), '[]') FROM counter),
    'buckets', (SELECT coalesce(json_agg(json_build_array(n, tokens_micro, updated_at)), '[]') FROM bucket)"""
_BUCKET_COLUMNS: Final = "b.n, l.tokens_micro, (extract(epoch FROM l.updated_at) * 1000000)::bigint AS updated_at"

# Which ledgers are open, which events are known, and the levels of the limits, which stay locked.
LOCK: Final = f"""
WITH ledger AS MATERIALIZED (
    SELECT l.position, l.tenant_id, l.is_live,
        CASE WHEN pg_try_advisory_xact_lock_shared(l.lock_key) THEN l.position END AS n
    FROM unnest($1::bigint[], $2::uuid[], $3::bool[]) WITH ORDINALITY AS l(lock_key, tenant_id, is_live, position)
),
known AS MATERIALIZED (
    SELECT i.n, k.content_hash = i.content_hash AS is_same
    FROM unnest($4::bigint[], $5::bytea[], $6::bytea[]) WITH ORDINALITY AS i(ledger, key, content_hash, n)
    JOIN ledger AS g ON g.n = i.ledger
    JOIN event_identity AS k ON k.tenant_id = g.tenant_id AND k.is_live = g.is_live AND k.key = i.key
),
counter AS MATERIALIZED (
    SELECT c.n, l.used + l.held AS used
    FROM {_COUNTERS_ASKED.format(scope_ledgers="$7", scopes="$8", meters="$9", starts="$10", ends="$11", as_of="$14")}
    ORDER BY l.tenant_id, l.is_live, l.scope_id, l.meter_id, l.period_start, l.period_end FOR UPDATE OF l
),
bucket AS MATERIALIZED (
    SELECT {_BUCKET_COLUMNS} FROM {_BUCKETS_ASKED.format(bucket_ledgers="$12", bucket_scopes="$13")}
    WHERE (SELECT count(*) FROM counter) >= 0
    ORDER BY l.tenant_id, l.is_live, l.scope_id FOR UPDATE OF l
)
SELECT json_build_object(
    'closed', (SELECT coalesce(json_agg(position), '[]') FROM ledger WHERE n IS NULL),
    'known', (SELECT coalesce(json_agg(json_build_array(n, is_same)), '[]') FROM known),{_LEVELS}
)"""

# The same levels without locks, for requests that only ask.
LOOK: Final = f"""
WITH ledger AS MATERIALIZED (
    SELECT l.n, l.tenant_id, l.is_live
    FROM unnest($1::uuid[], $2::bool[]) WITH ORDINALITY AS l(tenant_id, is_live, n)
),
counter AS MATERIALIZED (
    SELECT c.n, l.used + l.held AS used
    FROM {_COUNTERS_ASKED.format(scope_ledgers="$3", scopes="$4", meters="$5", starts="$6", ends="$7", as_of="$10")}
),
bucket AS MATERIALIZED (
    SELECT {_BUCKET_COLUMNS} FROM {_BUCKETS_ASKED.format(bucket_ledgers="$8", bucket_scopes="$9")}
)
SELECT json_build_object({_LEVELS})"""

# Events that are new, or the statement fails: with a unique violation if one is known, or dividing by zero if someone
# sums up one of the ledgers.
STORE: Final = """
WITH ledger AS MATERIALIZED (
    SELECT tenant_id, is_live, time_zone,
        CASE WHEN pg_try_advisory_xact_lock_shared(lock_key) THEN n ELSE n / 0 END AS n
    FROM unnest($1::bigint[], $2::uuid[], $3::bool[], $4::text[]) WITH ORDINALITY
        AS l(lock_key, tenant_id, is_live, time_zone, n)
),
part AS MATERIALIZED (
    SELECT l.tenant_id, l.is_live, l.time_zone, p.meter_id, p.quarter, p.api_key_id, p.dimensions, p.quantity, p.events
    FROM unnest($5::bigint[], $6::bigint[], $7::timestamptz[], $8::uuid[], $9::jsonb[], $10::numeric[], $11::bigint[])
        AS p(ledger, meter_id, quarter, api_key_id, dimensions, quantity, events)
    JOIN ledger AS l ON l.n = p.ledger
),
days AS (
    INSERT INTO usage_day AS u (tenant_id, is_live, meter_id, day, api_key_id, dimension_key, slot, dimensions,
        quantity, events)
    SELECT tenant_id, is_live, meter_id, day, api_key_id,
        substring(sha256(convert_to(dimensions::text, 'UTF8')) FROM 1 FOR 16) AS dimension_key,
        pg_backend_pid() % $12::int, dimensions, quantity, events
    FROM (
        SELECT tenant_id, is_live, meter_id, (quarter AT TIME ZONE time_zone)::date AS day, api_key_id, dimensions,
            sum(quantity) AS quantity, sum(events)::bigint AS events
        FROM part GROUP BY 1, 2, 3, 4, 5, 6
    ) AS bucket ORDER BY 1, 2, 3, 4, 5, 6
    ON CONFLICT ON CONSTRAINT usage_day_once
        DO UPDATE SET quantity = u.quantity + excluded.quantity, events = u.events + excluded.events
),
hours AS (
    INSERT INTO usage_hour AS u (tenant_id, is_live, meter_id, hour, slot, quantity, events)
    SELECT tenant_id, is_live, meter_id, date_trunc('hour', quarter, 'UTC'), pg_backend_pid() % $12::int,
        sum(quantity), sum(events)::bigint
    FROM part GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4
    ON CONFLICT ON CONSTRAINT usage_hour_once
        DO UPDATE SET quantity = u.quantity + excluded.quantity, events = u.events + excluded.events
),
counters AS (
    INSERT INTO limit_counter AS l (tenant_id, is_live, scope_id, meter_id, period_start, period_end, used, is_ready,
        subject)
    SELECT g.tenant_id, g.is_live, c.scope_id, c.meter_id, c.period_start, c.period_end, c.amount, false, c.subject
    FROM unnest($13::bigint[], $14::uuid[], $15::bigint[], $16::timestamptz[], $17::timestamptz[], $18::numeric[],
        $34::text[])
        AS c(ledger, scope_id, meter_id, period_start, period_end, amount, subject)
    JOIN ledger AS g ON g.n = c.ledger
    ORDER BY 1, 2, 3, 4, 5, 6
    ON CONFLICT ON CONSTRAINT limit_counter_once DO UPDATE SET used = l.used + excluded.used
),
buckets AS (
    UPDATE limit_bucket AS l
        SET tokens_micro = b.tokens, updated_at = timestamptz 'epoch' + b.updated_at * interval '1 microsecond'
    FROM unnest($19::bigint[], $20::uuid[], $21::bigint[], $22::bigint[]) AS b(ledger, scope_id, tokens, updated_at)
    JOIN ledger AS g ON g.n = b.ledger
    WHERE l.tenant_id = g.tenant_id AND l.is_live = g.is_live AND l.scope_id = b.scope_id
),
input AS MATERIALIZED (
    SELECT g.tenant_id, g.is_live, e.*
    FROM unnest($23::bigint[], $24::timestamptz[], $25::bytea[], $26::bytea[], $27::text[], $28::text[], $29::numeric[],
        $30::text[], $31::uuid[], $32::jsonb[], $33::timestamptz[])
        AS e(ledger, occurred_at, key, content_hash, id, type, quantity, subject, api_key_id, properties, received_at)
    JOIN ledger AS g ON g.n = e.ledger
),
stored AS (
    INSERT INTO event (tenant_id, is_live, occurred_at, key, id, source, type, quantity, subject, api_key_id,
        properties, received_at)
    SELECT tenant_id, is_live, occurred_at, key, id, '', type, quantity, subject, api_key_id, properties, received_at
    FROM input
),
claimed AS (
    INSERT INTO event_identity (tenant_id, is_live, key, occurred_at, content_hash)
    SELECT tenant_id, is_live, key, occurred_at, content_hash FROM input ORDER BY 1, 2, 3
)
SELECT 1"""
