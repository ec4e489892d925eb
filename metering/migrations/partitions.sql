-- The application's role owns nothing, so it asks the owner for a partition. Answers whether one was made.
CREATE OR REPLACE FUNCTION ledger_ensure_event_partition(month date) RETURNS boolean
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
    -- Reached through its parent, whose policies hold; directly by nobody.
    EXECUTE format('ALTER TABLE public.%I ENABLE ROW LEVEL SECURITY', partition);
    EXECUTE format('ALTER TABLE public.%I FORCE ROW LEVEL SECURITY', partition);
    RETURN true;
END
$$;
