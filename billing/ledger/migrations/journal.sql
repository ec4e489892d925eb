-- What holds for entries and postings together, and for the owner of the tables, too. `refuse_change` is made by the migrations of accounts.

DO $$
DECLARE
    history text;
BEGIN
    FOREACH history IN ARRAY ARRAY['ledger_journalentry', 'ledger_posting', 'ledger_closedmonth'] LOOP
        EXECUTE format('CREATE TRIGGER refuse_change BEFORE UPDATE OR DELETE ON %I FOR EACH ROW EXECUTE FUNCTION refuse_change()',
            history);
    END LOOP;
END
$$;

-- The postings of an entry come in one statement, sum to 0, and are of its tenant, currency and day. So an entry that stands is balanced, and stays so.
CREATE FUNCTION ledger_refuse_unbalanced() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    wrong uuid;
BEGIN
    SELECT a.entry_id INTO wrong FROM (
        SELECT entry_id, sum(amount_minor) AS balance, count(*) AS number, min(tenant_id::text) AS tenant, max(tenant_id::text) AS tenant_most,
            min(currency) AS currency, max(currency) AS currency_most, min(posted_on) AS day, max(posted_on) AS day_most
        FROM added GROUP BY entry_id
    ) AS a LEFT JOIN ledger_journalentry AS e ON e.id = a.entry_id
    WHERE a.balance <> 0 OR e.id IS NULL OR (a.tenant, a.tenant_most) <> (e.tenant_id::text, e.tenant_id::text)
        OR (a.currency, a.currency_most) <> (e.currency, e.currency) OR (a.day, a.day_most) <> (e.posted_on, e.posted_on)
        OR a.number <> (SELECT count(*) FROM ledger_posting AS p WHERE p.entry_id = a.entry_id)
    LIMIT 1;
    IF wrong IS NOT NULL THEN
        RAISE EXCEPTION 'the postings of entry % do not sum to 0, are not its own, or come late', wrong USING ERRCODE = '23001';
    END IF;
    RETURN NULL;
END
$$;
CREATE TRIGGER refuse_unbalanced AFTER INSERT ON ledger_posting
    REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION ledger_refuse_unbalanced();

-- A closed month takes no more entries. Who posts holds the lock (7310468205) shared until it commits, and who closes a month waits for that. The first day
-- that is open is read by a statement of its own, which begins after a close that was waited for has committed; none where no month is closed.
CREATE FUNCTION ledger_open_since() RETURNS date LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    PERFORM pg_advisory_xact_lock_shared(7310468205);
    RETURN (SELECT max(month) + interval '1 month' FROM ledger_closedmonth)::date;
END
$$;

CREATE FUNCTION ledger_refuse_closed() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    since date := ledger_open_since();
BEGIN
    IF EXISTS (SELECT FROM added WHERE posted_on < since) THEN
        RAISE EXCEPTION 'the books are closed before %', since USING ERRCODE = '23001';
    END IF;
    RETURN NULL;
END
$$;
CREATE TRIGGER refuse_closed AFTER INSERT ON ledger_journalentry
    REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION ledger_refuse_closed();
