-- The ledger: one schema for plain PostgreSQL and for Citus. Tenant first in every key; no trigger; no foreign key to the control plane.

CREATE TABLE event (
    tenant_id    uuid        NOT NULL,
    is_live      boolean     NOT NULL,
    occurred_at  timestamptz NOT NULL,
    key          bytea       NOT NULL,
    id           text        NOT NULL,
    source       text        NOT NULL,
    type         text        NOT NULL,
    quantity     numeric     NOT NULL,
    subject      text,
    api_key_id   uuid,
    properties   jsonb       NOT NULL,
    received_at  timestamptz NOT NULL,
    CONSTRAINT event_once PRIMARY KEY (tenant_id, is_live, occurred_at, key),
    CONSTRAINT event_key_has_16_bytes CHECK (octet_length(key) = 16),
    CONSTRAINT event_quantity_in_range CHECK (quantity >= 0 AND quantity < 100000000000000000000)
) PARTITION BY RANGE (occurred_at);

CREATE TABLE event_identity (
    tenant_id    uuid        NOT NULL,
    is_live      boolean     NOT NULL,
    key          bytea       NOT NULL,
    occurred_at  timestamptz NOT NULL,
    content_hash bytea       NOT NULL,
    CONSTRAINT event_identity_once PRIMARY KEY (tenant_id, is_live, key),
    CONSTRAINT event_identity_key_has_16_bytes CHECK (octet_length(key) = 16),
    CONSTRAINT event_identity_hash_has_32_bytes CHECK (octet_length(content_hash) = 32)
);

CREATE TABLE event_void (
    tenant_id    uuid        NOT NULL,
    is_live      boolean     NOT NULL,
    key          bytea       NOT NULL,
    occurred_at  timestamptz NOT NULL,
    reason       text        NOT NULL,
    voided_by    text        NOT NULL,
    voided_at    timestamptz NOT NULL,
    CONSTRAINT event_void_once PRIMARY KEY (tenant_id, is_live, key)
);

CREATE TABLE usage_hour (
    tenant_id    uuid        NOT NULL,
    is_live      boolean     NOT NULL,
    meter_id     bigint      NOT NULL,
    hour         timestamptz NOT NULL,
    slot         smallint    NOT NULL,
    quantity     numeric     NOT NULL,
    events       bigint      NOT NULL,
    CONSTRAINT usage_hour_once PRIMARY KEY (tenant_id, is_live, meter_id, hour, slot)
) WITH (fillfactor = 80);
-- For figures over all tenants; an update never touches the hour, so it stays within its page.
CREATE INDEX usage_hour_by_hour ON usage_hour (hour);

CREATE TABLE usage_day (
    tenant_id     uuid     NOT NULL,
    is_live       boolean  NOT NULL,
    meter_id      bigint   NOT NULL,
    day           date     NOT NULL,
    api_key_id    uuid     NOT NULL,
    dimension_key bytea    NOT NULL,
    slot          smallint NOT NULL,
    dimensions    jsonb    NOT NULL,
    quantity      numeric  NOT NULL,
    events        bigint   NOT NULL,
    CONSTRAINT usage_day_once PRIMARY KEY (tenant_id, is_live, meter_id, day, api_key_id, dimension_key, slot)
) WITH (fillfactor = 80);

-- Limits are rebuilt from the ledger when lost, so they need not survive a crash of the server.
CREATE UNLOGGED TABLE limit_counter (
    tenant_id    uuid        NOT NULL,
    is_live      boolean     NOT NULL,
    scope_id     uuid        NOT NULL,
    meter_id     bigint      NOT NULL,
    period_start timestamptz NOT NULL,
    period_end   timestamptz NOT NULL,
    used         numeric     NOT NULL,
    is_ready     boolean     NOT NULL,
    CONSTRAINT limit_counter_once PRIMARY KEY (tenant_id, is_live, scope_id, meter_id, period_start, period_end)
) WITH (fillfactor = 50);

CREATE UNLOGGED TABLE limit_bucket (
    tenant_id    uuid        NOT NULL,
    is_live      boolean     NOT NULL,
    scope_id     uuid        NOT NULL,
    tokens_micro bigint      NOT NULL,
    updated_at   timestamptz NOT NULL,
    CONSTRAINT limit_bucket_once PRIMARY KEY (tenant_id, is_live, scope_id)
) WITH (fillfactor = 50);

-- The application's role owns nothing, so it asks the owner for a partition. Answers whether one was made.
CREATE FUNCTION ledger_ensure_event_partition(month date) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public AS $$
DECLARE
    first date := date_trunc('month', month)::date;
    partition text := 'event_' || to_char(first, 'YYYY_MM');
BEGIN
    IF first IS NULL OR first < DATE '2000-01-01' OR first > DATE '2100-01-01' THEN
        RAISE EXCEPTION 'no partition for %: it lies outside of 2000 to 2100', month USING ERRCODE = '22023';
    END IF;
    IF to_regclass('public.' || partition) IS NOT NULL THEN
        RETURN false;
    END IF;
    PERFORM pg_advisory_xact_lock(7310468202);
    -- Asked of the table, by a new snapshot: to_regclass remembers its answer from before the wait.
    IF EXISTS (SELECT FROM pg_class WHERE relname = partition AND relnamespace = 'public'::regnamespace) THEN
        RETURN false;
    END IF;
    EXECUTE format(
        'CREATE TABLE public.%I PARTITION OF public.event FOR VALUES FROM (%L) TO (%L)',
        partition, first || ' 00:00:00+00', (first + interval '1 month')::date || ' 00:00:00+00'
    );
    RETURN true;
END
$$;
